// What no code inside of the process survives: whatever holds it, whenever, and however it is run, it is out at its deadline.
// A sample of the matrix runs here; MATRIX=all runs every cell.
import { spawnSync } from "node:child_process"
import { afterAll, describe, expect, test, vi } from "vitest"
import { exitCode } from "quiesce/Outcome"
import type { Report } from "quiesce/Report"
import { Faulty, grace, namespace } from "./support/Faulty.ts"
import { type Cell, cells, type Ending, isSignalBlocked, sample } from "./support/faultMatrix.ts"

// They wait more than they work.
vi.setConfig({ maxConcurrency: 3 })

/** For a machine that does other things as well: how late it really is, the benchmark tells. A hang has no end. */
const tolerance = 5000
/** What a blocked process was sent is counted from the look before, which on a busy machine was a while ago. */
const early = 500
/** What a supervisor waits on top. */
const patience = 900

const sentences: Readonly<Record<Ending, string>> = {
  itself: "ends by itself in time, and its exit code is that of its outcome",
  named: "is killed at its deadline, after its emergency hooks, and the line of code is named",
  either: "ends at its deadline, by itself or killed, with a report that says which",
  unnamed: "is killed at its deadline, and the report says that native code holds it",
  leaving: "is killed at its deadline, although its report was written",
  supervisor: "is killed by its supervisor",
  memory: "ends at its deadline at the latest, killed or aborted",
  never: "waits for somebody outside"
}

const signalled = { _tag: "Signal", signal: "SIGTERM" }
const killed = { _tag: "Forced", signal: "SIGKILL" }

const reportOf = ({ output, reports }: Faulty): Report => {
  expect(reports, output).toHaveLength(1)
  return reports[0] as Report
}

const verify = (cell: Cell, faulty: Faulty, code: number, millis: number): void => {
  const { ending, fault, moment, way } = cell
  // The first process is spared by signals of its own, and ends by a trap.
  const killedCode = way.isFirst && !way.isSupervised ? 133 : 137
  const { output, reports, saves } = faulty
  const isSupervisors = output.includes("has not ended within")
  // On a busy machine the supervisor may be quicker than the watchdog, which first has things to write down.
  if (isSupervisors && ending !== "supervisor") {
    expect(millis).toBeGreaterThanOrEqual(grace + patience)
    // Unless the application leaves in that moment.
    expect([137, reports[0]?.exitCode]).toContain(code)
    return
  }
  switch (ending) {
    case "itself": {
      const { outcome, reason, ...report } = reportOf(faulty)
      expect([reason, report.exitCode, code]).toEqual([signalled, exitCode(outcome, reason), report.exitCode])
      return
    }
    case "either": {
      const report = reportOf(faulty)
      if (report.outcome._tag === "Forced") return verify({ ...cell, ending: "named" }, faulty, code, millis)
      // Killed, if it takes too long to leave after that.
      return verify({ ...cell, ending: "itself" }, faulty, code === killedCode ? report.exitCode : code, millis)
    }
    case "named":
    case "unnamed": {
      const { blocked, failures, outcome, reason, states, ...report } = reportOf(faulty)
      expect([code, outcome, reason, report.exitCode]).toEqual([killedCode, killed, signalled, 137])
      expect(blocked.at(-1)?.killed).toBe(true)
      const culprit = ending === "named" ? `by ${fault} \\(.*faults\\.ts:\\d+:\\d+\\)` : "by native code"
      expect(failures.join("\n")).toMatch(new RegExp(`the event loop was blocked for .* ${culprit}`))
      expect(output).toContain("faulty was forced out after")
      // Who has been released has nothing left to save.
      const isReleased = states.some(({ state }) => state === "Flushing")
      expect(saves).toBe(ending === "named" && !isReleased ? 1 : 0)
      expect(millis).toBeGreaterThanOrEqual(isSignalBlocked(moment) ? grace - early : grace)
      return
    }
    case "leaving": {
      expect([code, reportOf(faulty).outcome]).toEqual([killedCode, { _tag: "Clean" }])
      expect(output).toMatch(/faulty is killed: its event loop has been blocked for \d+ ms/)
      return
    }
    case "supervisor": {
      expect([code, saves, isSupervisors]).toEqual([137, 0, true])
      expect(reports.map(({ outcome }) => outcome._tag)).toEqual(moment === "exit" ? ["Clean"] : [])
      expect(millis).toBeGreaterThanOrEqual(grace + patience)
      return
    }
    case "memory": {
      const isAborted = output.includes("heap out of memory")
      // Nor does the signal of its own abort end the first process; what follows there does.
      const abortedCode = killedCode === 133 ? 139 : 134
      expect(code).toBe(isAborted ? abortedCode : killedCode)
      if (moment === "exit") expect(reportOf(faulty).outcome).toEqual({ _tag: "Clean" })
      else expect(reports.map(({ outcome }) => outcome)).toEqual(isAborted ? [] : [killed])
      return
    }
    case "never":
      throw new Error(`it ended with exit code ${code}`)
  }
}

const mayBeFirst = spawnSync(namespace[0] ?? "", [...namespace.slice(1), "true"]).status === 0
const chosen = process.env["MATRIX"] === "all" ? cells : sample
const late: Array<number> = []

describe.concurrent("an application that is told to stop", () => {
  for (const cell of chosen) {
    const { ending, fault, moment, way } = cell
    test.runIf(mayBeFirst || !way.isFirst)(
      `${way.name}, held by ${fault} in "${moment}", ${sentences[ending]}`,
      async ({ onTestFinished }) => {
        const faulty = new Faulty(cell)
        onTestFinished(() => faulty.close())
        const deadline = grace + (way.isSupervised ? patience : 0)
        const end = await faulty.stopped(deadline + (ending === "never" ? grace : tolerance))
        if (end === undefined) return expect(ending, faulty.output).toBe("never")
        verify(cell, faulty, end.code, end.millis)
        if (ending !== "itself") late.push(end.millis - grace - (ending === "supervisor" ? patience : 0))
      }
    )
  }
})

afterAll(() => {
  if (chosen !== cells) return
  const at = (part: number) => Math.round(late.toSorted((a, b) => a - b)[Math.floor(part * (late.length - 1))] ?? 0)
  console.log(
    `${late.length} were ended, after their deadline: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, all ${at(1)} ms`
  )
})

test("the sample of the matrix has every fault, every moment and every way in it", () => {
  for (const of of ["fault", "moment", "way"] as const)
    expect(new Set(sample.map((cell) => cell[of]))).toEqual(new Set(cells.map((cell) => cell[of])))
})
