/**
 * The one error of a server that cannot start.
 */
import * as Schema from "effect/Schema"

/**
 * The server could not listen. `reason` is what the operating system said, in words; `code` is its own code, for example
 * `"EADDRINUSE"`.
 *
 * **When to use**: to try another port, or to say more about where the address comes from. Uncaught, it ends the start of
 * the application with its message.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { createServer } from "node:http"
 * import * as HttpDrain from "@quiesce/http/HttpDrain"
 *
 * const Server = HttpDrain.layer(() => createServer(), { port: 3000 }).pipe(
 *   Layer.catchTag("ListenError", () => HttpDrain.layer(() => createServer(), { port: 0 }))
 * )
 * ```
 */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  name: Schema.String,
  reason: Schema.Literals(["AddressInUse", "NotPermitted", "AddressNotAvailable", "Unknown"]),
  address: Schema.String,
  code: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.name} cannot listen on ${this.address}: ${sentences[this.reason]} (${this.code})`
  }
}

const sentences: Readonly<Record<ListenError["reason"], string>> = {
  AddressInUse: "another process has it; stop that process or choose another port (0 takes a free one)",
  NotPermitted: "this user may not; choose a port above 1023 or grant the right to bind",
  AddressNotAvailable: "this machine has no such address; use one of its own, or 127.0.0.1",
  Unknown: "the operating system refused"
}
