/**
 * Unix sockets as files: which have somebody behind them, and which were left by a process that was killed.
 */
import * as Effect from "effect/Effect"
import { lstatSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { isAbsolute } from "node:path"

/** `sun_path` of unix(7), without its last zero; BSDs have four bytes less. */
export const longestPath = process.platform === "linux" ? 107 : 103

/** Fails with the reason for which the path cannot be had. */
export const removeStale = (path: string): Effect.Effect<void, string> =>
  Effect.gen(function* () {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return
    if (!found.isSocket()) return yield* Effect.fail("is there, and is no socket")
    if (isBound(path) || (yield* isServed(path)))
      return yield* Effect.fail("belongs to another program, which has it open")
    yield* Effect.try({
      try: () => rmSync(path),
      catch: (error) => `cannot be removed (${error instanceof Error ? error.message : String(error)})`
    })
  })

/** On Linux the kernel has a list, with those that nobody listens on yet. It has names as they were given, so relative ones say nothing. */
const isBound = (path: string): boolean => {
  try {
    return (
      isAbsolute(path) &&
      readFileSync("/proc/self/net/unix", "utf8")
        .split("\n")
        .some((line) => line.endsWith(` ${path}`))
    )
  } catch {
    return false
  }
}

/** Also by a process of another container, which has another list. */
const isServed = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(path)
    const answer = (served: boolean): void => {
      socket.destroy()
      resume(Effect.succeed(served))
    }
    // Whatever else goes wrong, it is not known to be stale.
    socket.on("connect", () => answer(true)).on("error", (error) => answer(!error.message.includes("ECONNREFUSED")))
  })
