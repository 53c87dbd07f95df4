/**
 * The process group that an application leads: itself, and what it has started.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { processStat } from "./processIdentity.ts"

/** Whether there was anybody to tell. */
export const signalGroup = (leader: number, signal: NodeJS.Signals): boolean => send(-leader, signal)

export const signalProcess = (pid: number, signal: NodeJS.Signals): boolean => send(pid, signal)

const send = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    // It has gone, or it has become somebody else's.
    return false
  }
}

/** Whether anything of it runs. Orphans may stay zombies for as long as their new parent likes: where that can be seen, they do not count. */
export const groupIsThere = (leader: number): boolean =>
  send(-leader, 0) && (process.platform !== "linux" || hasLiveMember(leader))

const hasLiveMember = (leader: number): boolean =>
  readdirSync("/proc").some((name) => {
    const stat = /^\d+$/.test(name) ? processStat(Number(name)) : undefined
    return stat?.group === leader && stat.state !== "Z"
  })

/** What the members of a group that has lost its leader have to end, in milliseconds. */
export const groupPatience = 500

/** Nobody tells when the last process of a group has gone; so it is looked at, so often. */
const lookEvery = 20

/** What a kill takes until it is seen, at most, in milliseconds. */
const killTakes = 1000

/** Ends a group: asks, kills what is still there after `patience` milliseconds, and waits until it is seen to be gone. */
export const endGroup = (leader: number, patience: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    const isThere = (): boolean => groupIsThere(leader)
    if (!isThere()) return
    const deadline = (yield* Clock.currentTimeMillis) + patience
    let killed = false
    signalGroup(leader, "SIGTERM")
    while (isThere()) {
      const now = yield* Clock.currentTimeMillis
      if (now >= deadline && !killed) killed = signalGroup(leader, "SIGKILL")
      if (now >= deadline + killTakes) return
      yield* Effect.sleep(lookEvery)
    }
  })
