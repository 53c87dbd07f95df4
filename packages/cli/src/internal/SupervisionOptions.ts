/** What the decisions of a supervisor depend on, and how they reach the world. */
import type { ChildExit, Status } from "../Control.ts"
import type { Child } from "./Child.ts"
import type { Message } from "./NotifyReader.ts"
import type { RestartOptions } from "./Restarts.ts"
import type { SendLines } from "./serviceManager.ts"

export interface SupervisionOptions {
  readonly name: string
  /** Milliseconds from the stop signal to the kill, before the margin; undefined: what the application says. */
  readonly gracePeriod: number | undefined
  /** Milliseconds that the next life has to become ready in a reload. */
  readonly readyTimeout: number
  readonly restart: RestartOptions
  readonly listening: Status["listening"]
  readonly pid: number
  readonly spawn: (generation: number, startedAt: number, tell: Tell) => Child
  /** Nothing will be started any more. */
  readonly onStop: () => void
  readonly say: (line: string) => void
  /** To the service manager, if there is one. */
  readonly notify: SendLines
}

/** What a life lets know; `exited` is the last, when its whole process group has gone. Neither comes before `spawn` returns. */
export interface Tell {
  readonly heard: (message: Message) => void
  readonly exited: (exit: ChildExit) => void
}
