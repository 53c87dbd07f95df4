// The last line of a test run, alone on its line and without colours, for whoever reads a CI log: `12 passed, 0 failed`.
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from "vitest/node"

export class Tally implements Reporter {
  onTestRunEnd(
    modules: ReadonlyArray<TestModule>,
    unhandled: ReadonlyArray<SerializedError>,
    reason: TestRunEndReason
  ): void {
    let passed = 0
    let failed = unhandled.length
    let skipped = 0
    for (const module of modules) {
      // A file that cannot be loaded and a hook that fails have no failed test to show for it, yet they are failures.
      failed += module.errors().length
      for (const suite of module.children.allSuites()) failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") passed++
        else if (state === "failed") failed++
        else skipped++
      }
    }
    // No test found, or interrupted: whatever made vitest say so must not read like a success.
    if (reason !== "passed") failed = Math.max(failed, 1)
    if (skipped > 0) console.log(`${skipped} skipped or not run`)
    console.log(`${passed} passed, ${failed} failed`)
  }
}
