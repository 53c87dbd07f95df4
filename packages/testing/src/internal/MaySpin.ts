/**
 * Whether code of the application may spin, so that the time that this burns is nobody else's fault. Nothing in a plan spins:
 * there it is the engine that does, and no law excuses that.
 */
import * as Context from "effect/Context"

export const MaySpin = Context.Reference<boolean>("@quiesce/testing/internal/MaySpin", { defaultValue: () => true })
