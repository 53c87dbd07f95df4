/**
 * What a supervisor tells, and can be told, through its control socket: JSON over HTTP on a unix socket.
 *
 * | request | answer |
 * | --- | --- |
 * | `GET /status` | 200 and a `Status` |
 * | `GET /plan` | 200 and a `Plan` (`quiesce/Plan`), 404 when the application has told none |
 * | `POST /reload` | when it is over: 200 and `Reloaded`, 409 when the old application goes on |
 * | `POST /stop` | when the application has ended: 200 and `Stopped` |
 *
 * Whatever is not 200 has the body `{ "message": "..." }`. `curl --unix-socket .quiesce/app.sock http://quiesce/status` works.
 */
import * as Schema from "effect/Schema"
import { AppState } from "quiesce/Phase"

/** How a process has ended: it has left with `code`, or `signal` has killed it. */
export const ChildExit = Schema.Struct({
  code: Schema.NullOr(Schema.Number),
  signal: Schema.NullOr(Schema.String)
})

export type ChildExit = typeof ChildExit.Type

/**
 * One life of the application.
 *
 * - `generation`: 1 for the first, and one more for each restart and reload.
 * - `state`: the last one that it has told; null when it has told none, as an application without `NodeApp.run`.
 * - `uptime`: milliseconds since its process was started.
 */
export const ChildStatus = Schema.Struct({
  pid: Schema.Number,
  generation: Schema.Number,
  uptime: Schema.Number,
  state: Schema.NullOr(AppState),
  ready: Schema.Boolean,
  text: Schema.NullOr(Schema.String)
})

export type ChildStatus = typeof ChildStatus.Type

/**
 * - `pid`, `uptime`: the supervisor's own; milliseconds.
 * - `child`: the application; null while nothing runs, before a restart. `next`: what is to take its place, not ready yet.
 *   `leaving`: what was replaced and is still finishing its work.
 * - `restarts`: after crashes, since the supervisor began; `lastExit` of the application's last life that has ended, whatever the
 *   reason.
 */
export const Status = Schema.Struct({
  name: Schema.String,
  pid: Schema.Number,
  uptime: Schema.Number,
  stopping: Schema.Boolean,
  child: Schema.NullOr(ChildStatus),
  next: Schema.NullOr(ChildStatus),
  leaving: Schema.Array(ChildStatus),
  restarts: Schema.Number,
  lastExit: Schema.NullOr(Schema.Struct({ generation: Schema.Number, ...ChildExit.fields })),
  listening: Schema.Array(Schema.Struct({ name: Schema.String, address: Schema.String }))
})

export type Status = typeof Status.Type

/** The life that has taken over; `replaced` is the process that is leaving, null when none was running. */
export const Reloaded = Schema.Struct({
  pid: Schema.Number,
  generation: Schema.Number,
  replaced: Schema.NullOr(Schema.Number)
})

export type Reloaded = typeof Reloaded.Type

/** The exit code with which the supervisor leaves. */
export const Stopped = Schema.Struct({ exitCode: Schema.Number })

export type Stopped = typeof Stopped.Type

/** The body of an answer that is not 200. */
export const Refusal = Schema.Struct({ message: Schema.String })
