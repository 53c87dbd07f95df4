/**
 * Running Postgres servers: whose they are, and how to end them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync, readlinkSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { EmbeddedPostgresError } from "../../EmbeddedPostgresError.ts"
import type { Folder } from "./folder.ts"
import { type Identity, identify, isAlive, self } from "./identity.ts"

/** Line by line, as Postgres documents it: pid, data folder, start, port, socket folder, address, shared memory, status. */
export const readPidFile = (cluster: string): { readonly pid: number; readonly isReady: boolean } | undefined => {
  try {
    const lines = readFileSync(join(cluster, "postmaster.pid"), "utf8").split("\n")
    return { pid: Number(lines[0]), isReady: lines[7]?.trim() === "ready" }
  } catch {
    return undefined
  }
}

const OWNER = "quiesce.owner="

/**
 * A setting of no meaning to Postgres that names the application on the server's command line: who owns a server is
 * known as long as it runs, with no file that could be out of step.
 */
export const ownerSetting = (): string => {
  const { pid, startedAt } = self()
  return `${OWNER}${pid}:${startedAt.replaceAll(" ", "_")}`
}

interface Owner {
  readonly pid: number
  readonly isAlive: boolean
}

const ownerOf = (server: Identity): Owner | undefined => {
  const mark = server.command.find((word) => word.startsWith(OWNER))?.slice(OWNER.length)
  if (mark === undefined) return undefined
  const pid = Number.parseInt(mark, 10)
  return { pid, isAlive: identify(pid)?.startedAt.replaceAll(" ", "_") === mark.slice(mark.indexOf(":") + 1) }
}

const isPostgres = (identity: Identity): boolean => /^postgres(\.exe)?$/.test(basename(identity.command[0] ?? ""))

/** A running server of this cluster: the process that its pid file names, if it is a Postgres on this very folder. */
const runningOn = (cluster: string): Identity | undefined => {
  const pid = readPidFile(cluster)?.pid
  const found = pid === undefined ? undefined : identify(pid)
  if (found === undefined || !isPostgres(found)) return undefined
  return ` ${found.command.join(" ")} `.includes(` -D ${cluster} `) || workingFolder(found.pid) === cluster
    ? found
    : undefined
}

const workingFolder = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined // not Linux, or not our business
  }
}

/** The error for a cluster that somebody else uses, if somebody does. */
export const inUse = (folder: Folder): EmbeddedPostgresError | undefined => {
  const server = runningOn(folder.cluster)
  if (server === undefined) return undefined
  const owner = ownerOf(server)
  if (owner !== undefined && !owner.isAlive) return undefined
  const by = owner === undefined ? "postgres" : owner.pid === process.pid ? "self" : "application"
  return new EmbeddedPostgresError({
    reason: { _tag: "InUse", dataDir: folder.dataDir, pid: owner?.pid ?? server.pid, by }
  })
}

/**
 * Makes way for a new server: fails if the cluster is in use, stops a server whose application is dead, and removes a pid
 * file whose pid has gone to some other program. A pid file of a dead server is left to Postgres, which knows more.
 */
export const makeWay = (folder: Folder, timeout: Duration.Duration): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const used = inUse(folder)
    if (used !== undefined) return yield* used
    const server = runningOn(folder.cluster)
    if (server !== undefined) {
      yield* Effect.logWarning(
        `Stopping the Postgres (pid ${server.pid}) on ${folder.dataDir} that a killed application has left behind`
      )
      yield* end(server, timeout)
      return
    }
    const pid = readPidFile(folder.cluster)?.pid
    const stranger = pid === undefined ? undefined : identify(pid)
    if (stranger !== undefined && !isPostgres(stranger)) rmSync(join(folder.cluster, "postmaster.pid"), { force: true })
  })

/**
 * Ends a server within `timeout`: fast shutdown (sessions are rolled back, data is flushed) for three fifths of it,
 * immediate shutdown (recovery at the next start) for one, then SIGKILL for it and its children.
 *
 * Every signal goes to the very process that was identified, never to another that got its pid.
 */
export const end = (server: Identity, timeout: Duration.Duration): Effect.Effect<"fast" | "immediate" | "killed"> =>
  Effect.gen(function* () {
    const fifth = Duration.toMillis(timeout) / 5
    signal(server, "SIGINT")
    if (yield* goneWithin(server, 3 * fifth)) return "fast"
    signal(server, "SIGQUIT")
    if (yield* goneWithin(server, fifth)) return "immediate"
    const family = [server, ...childrenOf(server.pid)]
    for (const member of family) signal(member, "SIGKILL")
    yield* Effect.forEach(family, (member) => goneWithin(member, fifth), { concurrency: "unbounded", discard: true })
    return "killed"
  })

/** Sends it to this very process or to none. */
export const signal = (server: Identity, name: NodeJS.Signals): void => {
  if (!isAlive(server)) return
  try {
    process.kill(server.pid, name)
  } catch {
    // it was quicker
  }
}

const goneWithin = Effect.fnUntraced(function* (server: Identity, millis: number) {
  const deadline = (yield* Clock.currentTimeMillis) + millis
  while (isAlive(server)) {
    if ((yield* Clock.currentTimeMillis) >= deadline) return false
    yield* Effect.sleep("10 millis")
  }
  return true
})

/** Postgres' own processes. They are in sessions of their own, so no process group reaches them. */
const childrenOf = (pid: number): ReadonlyArray<Identity> => {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")
    return pids.flatMap((child) => identify(Number(child)) ?? [])
  } catch {
    return [] // elsewhere they end by themselves when they see their parent gone
  }
}
