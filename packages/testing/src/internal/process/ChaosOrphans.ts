/** Who is left of the process group of a child that has ended. */
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync } from "node:fs"

const looks = 50
const lookMillis = 20

/**
 * One line for each process that outlives the leader of its group by more than a second: what it starts may need a moment to
 * notice. On Linux only; elsewhere it is known that there are some, not who.
 */
export const orphans = (group: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    for (let look = 0; look < looks && membersOf(group).length > 0; look++) yield* Effect.sleep(lookMillis)
    return membersOf(group)
  })

const membersOf = (group: number): ReadonlyArray<string> => {
  try {
    process.kill(-group, 0)
  } catch {
    return []
  }
  if (process.platform !== "linux") return [`some of the process group ${group}`]
  return readdirSync("/proc").flatMap((entry) => (/^\d+$/.test(entry) ? memberOf(entry, group) : []))
}

/** /proc/<pid>/stat is: pid (name) state parent group ...; the name may hold anything. */
const memberOf = (pid: string, group: number): ReadonlyArray<string> => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    const [state, , itsGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    // The dead that nobody has collected do no harm.
    if (Number(itsGroup) !== group || state === "Z" || state === "X") return []
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()
    return [`pid ${pid} (${command.slice(0, 100)})`]
  } catch {
    return [] // it has just ended
  }
}
