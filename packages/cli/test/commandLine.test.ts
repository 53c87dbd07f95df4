// What is typed, and what is answered to what cannot be understood. Nothing here starts a process.
import { afterEach, describe, expect, test, vi } from "vitest"
import { main } from "../src/internal/main.ts"

afterEach(() => void vi.restoreAllMocks())

const typed = async (...words: ReadonlyArray<string>) => {
  const printed = { stdout: "", stderr: "" }
  vi.spyOn(console, "log").mockImplementation((text: unknown) => void (printed.stdout += `${String(text)}\n`))
  vi.spyOn(console, "error").mockImplementation((text: unknown) => void (printed.stderr += `${String(text)}\n`))
  return { code: await main(words), ...printed }
}

describe("what cannot be understood is named, with exit code 2", () => {
  test.each([
    ["run", "command"],
    ["run --listen localhost:1 -- x", "--listen"],
    ["run --listen a:b/c -- x", "--listen"],
    ["run --grace soon -- x", "a number and its unit"],
    ["run --restart sometimes -- x", "--restart"],
    ["run --max-restarts -1 -- x", "0 or more"],
    ["run -- ", "command"],
    ["run node --inspect app.js", "--inspect"],
    ["status --name a/b", 'letters, digits, ".", "_" and "-"'],
    ["status more", "more"],
    ["plan --kubernetes", "--kubernetes takes --image and --probes-port as well"],
    ["statsu", "statsu"],
    ["--completions tcsh", "zsh"]
  ])("%s", async (words, named) => {
    const { code, stderr, stdout } = await typed(...words.split(" ").filter(Boolean))
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(named)
  })

  test("with where help is", async () => {
    expect((await typed("run", "--bogus", "--", "x")).stderr).toMatch(/"quiesce run --help" tells/)
  })
})

describe("help", () => {
  test("of all has each command", async () => {
    const { code, stdout } = await typed("--help")
    expect(code).toBe(0)
    for (const command of ["run", "status", "reload", "stop", "plan", "service"])
      expect(stdout).toContain(`\n  ${command} `)
  })

  test("of run has its flags", async () => {
    expect((await typed("run", "--help")).stdout).toContain("--listen [name=][host:]port|path")
  })
})

describe("completions", () => {
  test.each([
    ["bash", "complete -F"],
    ["zsh", "#compdef quiesce"],
    ["fish", "complete -c quiesce"],
    ["pwsh", "Register-ArgumentCompleter"]
  ])("for %s know every command", async (shell, mark) => {
    const { code, stdout } = await typed("--completions", shell)
    expect(code).toBe(0)
    expect(stdout).toContain(mark)
    for (const command of ["run", "status", "reload", "stop", "plan", "service"]) expect(stdout).toContain(command)
  })
})

describe.runIf(process.platform === "linux")("service install", () => {
  test.each([
    ["--name orders -- true", "either --user, a service of this user, or --system, one of this machine"],
    [
      "--user --system --name orders -- true",
      "either --user, a service of this user, or --system, one of this machine"
    ],
    ["--user --name orders --run-as me -- true", "--run-as is for a service of the machine"],
    ["--user --name or,ders -- true", 'letters, digits, ".", "_" and "-"'],
    ["--user --name orders -- no-such-program", "there is no program no-such-program: give its path"]
  ])("%s is refused", async (words, why) => {
    const { code, stderr } = await typed("service", "install", ...words.split(" "))
    expect(code).toBe(2)
    expect(stderr).toContain(why)
  })
})

test("what stands behind -- is the application's, flags of ours too", async () => {
  const { code, stderr } = await typed(
    "service",
    "install",
    "--user",
    "--name",
    "x",
    "--",
    "no-such-program",
    "--help",
    "--name"
  )
  expect({ code, stderr }).toEqual({ code: 2, stderr: "quiesce: there is no program no-such-program: give its path\n" })
})
