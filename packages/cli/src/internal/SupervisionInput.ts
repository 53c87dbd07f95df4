/** What happens to a supervisor, in the order in which it decides about it. */
import type * as Deferred from "effect/Deferred"
import type { ChildExit, Reloaded } from "../Control.ts"
import type { Child } from "./Child.ts"
import type { Message } from "./NotifyReader.ts"

/** Who has asked for a reload, and hears how it went. */
export type Reply = Deferred.Deferred<Reloaded, string>

export type Input =
  | { readonly _tag: "Stop"; readonly signal: NodeJS.Signals }
  | { readonly _tag: "Signal"; readonly signal: NodeJS.Signals }
  | { readonly _tag: "Reload"; readonly reply: Reply }
  | { readonly _tag: "Heard"; readonly child: Child; readonly message: Message }
  | { readonly _tag: "Exited"; readonly child: Child; readonly exit: ChildExit }
  | { readonly _tag: "ReadyLimit"; readonly child: Child }
  | { readonly _tag: "Deadline"; readonly child: Child }
  /** `generation`: of the life that has ended. */
  | { readonly _tag: "RestartDue"; readonly generation: number }
