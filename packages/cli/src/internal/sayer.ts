/**
 * The lines of a supervisor, on stderr.
 *
 * The application writes there too, and a pipe that is full makes whoever writes wait: a supervisor that waits keeps no
 * deadline. So what cannot be written now is kept, and tried again.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs"

const stderr = 2
const retryMillis = 50
/** What the last lines have to be read in. */
const farewell = 200
/** Lines that may wait. Who has not read that many does not read. */
const mostPending = 1000

export const sayer = (name: string): Effect.Effect<(line: string) => void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fd = yield* Effect.acquireRelease(Effect.sync(openOwn), (fd) =>
      Effect.sync(() => fd === stderr || closeSync(fd))
    )
    const pending: Array<string> = []
    const write = (): void => {
      for (let line = pending[0]; line !== undefined; line = pending[0]) {
        try {
          writeSync(fd, line)
        } catch (error) {
          if (error instanceof Error && "code" in error && error.code === "EAGAIN") {
            setTimeout(write, retryMillis).unref()
            return
          }
          // A reader that has gone away is no reason to crash.
        }
        pending.shift()
      }
    }
    const written = Effect.repeat(Effect.sleep(retryMillis), { while: () => pending.length > 0 })
    yield* Effect.addFinalizer(() =>
      pending.length === 0 ? Effect.void : Effect.raceFirst(written, Effect.sleep(farewell))
    )
    return (line) => {
      if (pending.length >= mostPending) return
      pending.push(`quiesce: ${name}: ${line}\n`)
      if (pending.length === 1) write()
    }
  })

/**
 * Whether a write waits is kept with the open pipe, which the application shares; opened anew it is ours alone. Linux can do
 * that, and not with sockets.
 */
const openOwn = (): number => {
  try {
    if (process.platform !== "linux" || !canWait(stderr)) return stderr
    return openSync(`/proc/self/fd/${stderr}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return stderr
  }
}

/** Files never do, and opened anew they would be written from their beginning. */
const canWait = (fd: number): boolean => {
  const stat = fstatSync(fd)
  return stat.isFIFO() || stat.isCharacterDevice()
}
