/**
 * SIGHUP: "read your configuration again" where there is one that can be read again, else a stop signal.
 *
 * While the application starts nobody can tell which: what reloads may not be built yet. So it is kept until the start has
 * ended; what an operator meant for a reload must not end the application.
 */
import * as Effect from "effect/Effect"
import type { App } from "quiesce/App"

export const hangUp = (
  { lifecycle, requestReloadUnsafe }: App,
  /** As for any other stop signal. */
  stop: () => void
): (() => void) => {
  let kept = false
  const tell = (): void => {
    if (!requestReloadUnsafe("SIGHUP")) stop()
  }
  return () => {
    if (lifecycle.stateUnsafe() !== "Starting") return tell()
    if (kept) return
    kept = true
    // A start that comes to nothing needs no further signal to stop.
    Effect.runFork(Effect.andThen(lifecycle.running, Effect.sync(tell)))
  }
}

/** Whether a SIGHUP that comes now would be a stop signal. */
export const doesHangUpStop = ({ lifecycle, mayReloadUnsafe }: App): boolean =>
  lifecycle.stateUnsafe() !== "Starting" && !mayReloadUnsafe()
