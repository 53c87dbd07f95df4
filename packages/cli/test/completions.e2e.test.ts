// The completion scripts in the shells that they are for: a person types, and presses Tab.
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, test } from "vitest"
import { bin, run, Supervised } from "./support/Supervised.ts"

const shells = {
  bash: {
    start: "bash --norc --noprofile -i",
    setup: `source ./script; quiesce() { printf 'typed: %s.\\n' "$*"; }`
  },
  zsh: {
    start: "zsh -f -i",
    setup: `autoload -Uz compinit; compinit -D; source ./script; quiesce() { printf 'typed: %s.\\n' "$*"; }`
  },
  fish: {
    start: "fish --no-config -i",
    setup: `source ./script; function quiesce; printf 'typed: %s.\\n' "$argv"; end`
  }
}

const isThere = (program: string): boolean => spawnSync(program, ["--version"]).status === 0

for (const [shell, { setup, start }] of Object.entries(shells)) {
  // Where the shell, or the program that gives it a terminal, is not installed, there is nobody to press Tab.
  test.runIf(isThere(shell) && isThere("script"))(`${shell} completes commands, flags and their values`, async () => {
    const cwd = mkdtempSync(join(tmpdir(), "quiesce-cli-"))
    const { stdout } = await run([process.execPath, bin, "--completions", shell], cwd)
    writeFileSync(join(cwd, "script"), stdout)
    const whole = ["script", "-qefc", start, "/dev/null"]
    const terminal = new Supervised({ cwd, whole, input: true, env: { HOME: cwd, TERM: "dumb" }, command: [] })
    try {
      // What it types itself is echoed, and must not be taken for its answer.
      terminal.type(`${setup}\necho set "up"\n`)
      await terminal.says("set up")
      for (const [typed, completed] of [
        ["rel", "reload"],
        ["status --so", "status --socket"],
        ["run --restart al", "run --restart always"],
        ["service uni", "service uninstall"]
      ]) {
        terminal.type(`quiesce ${typed}\t\n`)
        await terminal.says(`typed: ${completed}.`)
      }
      terminal.type("exit\n")
      expect(await terminal.exited).toBe(0)
    } finally {
      await terminal.close()
      rmSync(cwd, { recursive: true, force: true })
    }
  })
}
