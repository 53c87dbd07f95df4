/**
 * One supervisor for one control socket, and what it has started, beyond `kill -9`: a small database beside the socket. It is
 * locked as long as the supervisor lives, by a lock that the kernel frees with the process, and it names the processes that
 * a supervisor which was killed may have left behind.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { DatabaseSync } from "node:sqlite"
import { SupervisorError } from "../SupervisorError.ts"
import { groupIsThere } from "./processGroup.ts"
import { isOfThisBoot, processIdentity } from "./processIdentity.ts"

/** What is written has to outlive this process, and not the machine. */
const schema = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA synchronous = OFF;
  BEGIN EXCLUSIVE;
  CREATE TABLE IF NOT EXISTS children (pid INTEGER PRIMARY KEY, identity TEXT NOT NULL);
  SELECT pid, identity FROM children;
  COMMIT`

/** Two that start in the same moment can each see the other's first step; who waits a little gets the lock. Milliseconds. */
const patience = 200

/** SQLITE_BUSY: somebody has the lock. */
const busy = 5
/** SQLITE_FULL: a new lock is written at once. */
const full = 13
/** SQLITE_CORRUPT and SQLITE_NOTADB: torn by a machine that lost its power, or somebody else's file. */
const damaged = [11, 26]

/** `isLed`: the application itself runs; otherwise only what it had started, in its process group. */
export interface Leftover {
  readonly pid: number
  readonly isLed: boolean
}

export class Ledger {
  readonly #database: DatabaseSync
  readonly #warn: (text: string) => void
  #warned = false

  private constructor(database: DatabaseSync, warn: (text: string) => void) {
    this.#database = database
    this.#warn = warn
  }

  /** Locked until the scope closes. */
  static open(
    path: string,
    socket: string,
    warn: (text: string) => void
  ): Effect.Effect<Ledger, SupervisorError, Scope.Scope> {
    return Effect.map(
      Effect.acquireRelease(
        Effect.try({ try: () => openLocked(path), catch: (error) => errorOf(error, path, socket) }),
        (database) => Effect.sync(() => database.close())
      ),
      (database) => new Ledger(database, warn)
    )
  }

  remember(pid: number): void {
    const identity = processIdentity(pid)
    // It has ended already.
    if (identity === undefined) return
    this.#write("INSERT OR REPLACE INTO children VALUES (?, ?)", pid, identity)
  }

  forget(pid: number): void {
    this.#write("DELETE FROM children WHERE pid = ?", pid)
  }

  /** What a supervisor before this one has started and still runs. What has ended since is forgotten. */
  leftovers(): ReadonlyArray<Leftover> {
    const known = this.#database.prepare("SELECT pid, identity FROM children").all()
    return known.flatMap(({ identity, pid }): ReadonlyArray<Leftover> => {
      if (typeof pid !== "number" || typeof identity !== "string") return []
      const now = processIdentity(pid)
      if (now === identity) return [{ pid, isLed: true }]
      // As long as a group has members, the number of its leader is nobody else's.
      if (now === undefined && isOfThisBoot(identity) && groupIsThere(pid)) return [{ pid, isLed: false }]
      this.forget(pid)
      return []
    })
  }

  /** A disk that is full is no reason to leave the application alone. */
  #write(sql: string, ...values: ReadonlyArray<number | string>): void {
    try {
      this.#database.prepare(sql).run(...values)
    } catch (error) {
      if (this.#warned) return
      this.#warned = true
      this.#warn(
        `the lock beside the control socket cannot be written (${error instanceof Error ? error.message : String(error)}): ` +
          "should this supervisor be killed by -9, the next one may not find what is left running"
      )
    }
  }
}

const openLocked = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path, { timeout: patience })
  try {
    database.exec(schema)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

const errorOf = (error: unknown, path: string, socket: string): SupervisorError => {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) : undefined
  if (code === busy) {
    return new SupervisorError({
      reason: "AlreadyRuns",
      detail:
        `a supervisor with the control socket ${socket} runs already: "quiesce status" tells about it, "quiesce stop" ends ` +
        `it; another application in this folder needs another --name`
    })
  }
  const why = error instanceof Error ? error.message : String(error)
  if (code === full) {
    return new SupervisorError({
      reason: "Control",
      detail: `the lock ${path} cannot be written (${why}): make room there, or let --socket name a file on another disk`
    })
  }
  if (code !== undefined && damaged.includes(code)) {
    return new SupervisorError({
      reason: "Control",
      detail: `the lock ${path} is damaged, or is another program's file (${why}): remove it, or choose another --socket`
    })
  }
  return new SupervisorError({
    reason: "Control",
    detail: `the lock ${path} cannot be opened (${why}): let --socket name a file in a folder where this user may write`
  })
}
