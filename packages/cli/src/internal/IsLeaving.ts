/**
 * Whether the process leaves when the supervision is over: then a signal that comes behind it is ignored, as it would kill the
 * process, and change its exit code. Another process wants its own handlers back.
 */
import * as Context from "effect/Context"

export const IsLeaving = Context.Reference<boolean>("@quiesce/cli/internal/IsLeaving", { defaultValue: () => false })
