/** One cell of the matrix of faults: an application that something holds, and that is told to stop. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as after } from "node:timers/promises"
import * as Schema from "effect/Schema"
import { Report } from "quiesce/Report"
import { type Cell, isSignalBlocked } from "./faultMatrix.ts"
import { bin, Supervised } from "./Supervised.ts"

/** Milliseconds: what the applications have. */
export const grace = 1000

const program = join(import.meta.dirname, "../../../node/test/fixtures/faulty-main.ts")
/** In it the first process gets a tree of its own, which ends with it. */
export const namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

export class Faulty {
  readonly #cell: Cell
  readonly #app: Supervised
  #target: number | undefined

  constructor(cell: Cell) {
    const { fault, moment, way } = cell
    this.#cell = cell
    this.#app = new Supervised({
      whole: [
        ...(way.isFirst ? namespace : []),
        process.execPath,
        ...(way.isSupervised ? [bin, "run", "--", process.execPath] : []),
        // As much as makes it quick.
        ...(fault === "memoryPressure" ? ["--max-old-space-size=64"] : []),
        program
      ],
      command: [],
      env: {
        FAULT: fault,
        MOMENT: moment,
        GRACE: `${grace}`,
        SAVED: "saved",
        QUIESCE_REPORTS: "reports",
        ...(way.hasWatchdog ? {} : { WATCHDOG: "off" })
      }
    })
  }

  /** Has it stop in that moment, and answers the exit code that a shell would see, and how long it took; undefined after `limit`. */
  async stopped(limit: number): Promise<{ readonly code: number; readonly millis: number } | undefined> {
    const { fault, moment } = this.#cell
    const isBlocked = isSignalBlocked(moment)
    const signals = fault === "signalStorm" ? 1000 : 1
    await this.#app.says(isBlocked ? `blocking ${moment}` : "-> Running")
    const began = performance.now()
    this.#sigterm(isBlocked ? signals : 1)
    if (!isBlocked && signals > 1) {
      await this.#app.says(`blocking ${moment}`)
      this.#sigterm(signals - 1)
    }
    const ended = this.#app.exited.then((code) => ({ code, millis: performance.now() - began }))
    return await Promise.race([ended, after(limit, undefined)])
  }

  #sigterm(times: number): void {
    this.#target ??= this.#cell.way.isFirst ? onlyChild(this.#app.pid) : this.#app.pid
    for (let time = 0; time < times; time++) tell(this.#target)
  }

  close(): Promise<void> {
    return this.#app.close()
  }

  get output(): string {
    return this.#app.output
  }

  get reports(): ReadonlyArray<Report> {
    return this.#files("reports")
      .filter((file) => file.endsWith(".json"))
      .map((file) => readFileSync(join(this.#app.cwd, "reports", file), "utf8"))
      .map((json) => Schema.decodeUnknownSync(Schema.fromJsonString(Report))(json))
  }

  /** How often its emergency hook has run. */
  get saves(): number {
    return this.#files(".").includes("saved")
      ? readFileSync(join(this.#app.cwd, "saved"), "utf8").split("\n").length - 1
      : 0
  }

  #files(folder: string): ReadonlyArray<string> {
    return readdirSync(join(this.#app.cwd, folder))
  }
}

/** The first process of a namespace, as it is seen from outside. */
const onlyChild = (pid: number): number => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
  if (!/^\d+ $/.test(children)) throw new Error(`process ${pid} has other children than one: ${children}`)
  return Number(children)
}

const tell = (pid: number): void => {
  try {
    process.kill(pid, "SIGTERM")
  } catch {
    // It has left in the middle of the storm.
  }
}
