// A lock that cannot be written or read. Where it lies is a file system of its own, in a namespace of the supervisor.
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { bin, type Result, run } from "./support/Supervised.ts"

let cwd: string
beforeEach(() => void (cwd = mkdtempSync(join(tmpdir(), "quiesce-disk-"))))
afterEach(() => rmSync(cwd, { recursive: true }))

const lock = ".quiesce/app.sock.lock"
const supervise = (...words: ReadonlyArray<string>): ReadonlyArray<string> => [process.execPath, bin, "run", ...words]

/** With `.quiesce` mounted with these options. */
const on = (options: string, ...words: ReadonlyArray<string>): Promise<Result> => {
  const mount = `mkdir .quiesce && mount -t tmpfs -o ${options} tmpfs .quiesce && exec "$0" "$@"`
  return run(["unshare", "--mount", "sh", "-c", mount, ...supervise(...words)], cwd)
}

/** Only root may, and not in every container. */
const mayMount = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]).status === 0

describe.runIf(mayMount)("a lock that cannot be written", () => {
  test("in a folder that can only be read: nothing is started, and the path and the remedy are named", async () => {
    expect(await on("ro", "--", "echo", "started")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        `quiesce: the lock ${lock} cannot be opened (unable to open database file): let --socket name a file in a ` +
        "folder where this user may write\n"
    })
  })

  test("on a disk that is full: nothing is started, and the path and the remedy are named", async () => {
    expect(await on("size=4k", "--", "echo", "started")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        `quiesce: the lock ${lock} cannot be written (database or disk is full): make room there, or let --socket name a ` +
        "file on another disk\n"
    })
  })

  test("on a disk that becomes full then: it is said once, and the application is supervised as ever", async () => {
    // Three pages: the lock fits, and nothing more.
    const flags = ["--max-restarts", "2", "--backoff", "1ms"]
    const { code, stderr } = await on("size=12k", ...flags, "--", "sh", "-c", "exit 9")
    expect(code).toBe(9)
    expect(stderr.match(/.*lock beside the control socket.*/g)).toEqual([
      "quiesce: app: the lock beside the control socket cannot be written (database or disk is full): should this " +
        "supervisor be killed by -9, the next one may not find what is left running"
    ])
    expect(stderr).toContain("it was started again 2 times")
  })
})

test("a lock that was torn where it names what is left running is told before anything is started", async () => {
  const path = join(cwd, "torn.sock.lock")
  const database = new DatabaseSync(path)
  database.exec("CREATE TABLE children (pid INTEGER PRIMARY KEY, identity TEXT NOT NULL)")
  database.close()
  truncateSync(path, 4096)
  writeFileSync(path, Buffer.alloc(4096, 255), { flag: "a" })
  const { code, stderr, stdout } = await run(supervise("--socket", "torn.sock", "--", "echo", "started"), cwd)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(stderr).toMatch(/^quiesce: the lock torn.sock.lock is damaged, or is another program's file .*: remove it/)
})
