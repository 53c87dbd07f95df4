import type { ListenError } from "@quiesce/http/ListenError"
import * as Schema from "effect/Schema"

/** A port of ours is not to be had. The remedy is in the words of our configuration. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  what: Schema.String,
  address: Schema.String,
  reason: Schema.Literals(["AddressInUse", "NotPermitted", "AddressNotAvailable", "Unknown"]),
  code: Schema.String,
  variable: Schema.String
}) {
  static of(what: string, host: string, port: number, variable: string): (error: ListenError) => ListenFailed {
    return ({ code, reason }) => new ListenFailed({ what, address: `${host}:${port}`, reason, code, variable })
  }

  override get message(): string {
    const free = `set ${this.variable} to another port (0 takes any free one)`
    const remedy = {
      AddressInUse: `another process listens there; stop it, or ${free}`,
      NotPermitted: `this user may not use that port; ${free}, 1024 or above`,
      AddressNotAvailable: "this machine has no such address; set HOST to one of its own, for example 127.0.0.1",
      Unknown: `the operating system refused (${this.code}); ${free}`
    }[this.reason]
    return `${this.what} cannot listen on ${this.address}: ${remedy}`
  }
}
