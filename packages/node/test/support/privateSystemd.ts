/**
 * A real systemd of our own: a manager of a user, in a mount namespace with a /run of its own, in a control group of its own,
 * with no unit but ours. It takes root, and a control group file system that can be written to.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"

const systemd = "/lib/systemd/systemd"
const group = `quiesce-test-${process.pid}`
/** One with the old hierarchies has systemd's in a folder, and one for itself. */
const hierarchies = existsSync("/sys/fs/cgroup/cgroup.procs")
  ? ["/sys/fs/cgroup"]
  : ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"].filter((folder) => existsSync(folder))

/** The /usr of another Debian, as `debootstrap` unpacks it somewhere: then it is that one's systemd that is tested. */
const usr = process.env["QUIESCE_TEST_USR"]
const takeUsr = usr === undefined ? ":" : `mount --bind ${usr} /usr`

/** Why there can be none here; `undefined` when there can. */
export const noSystemd = (): string | undefined => {
  if (process.platform !== "linux" || !existsSync(systemd)) return "there is no systemd"
  if (process.getuid?.() !== 0) return "it takes root"
  if (hierarchies.length === 0) return "there are no control groups"
  const tried = spawnSync("setpriv", [...inNamespace, `${joinGroup}; mount -t tmpfs tmpfs /run`], { encoding: "utf8" })
  clearGroups()
  return tried.status === 0 ? undefined : `the machine does not let us: ${tried.stderr}`
}

/** It dies with the tests. */
const inNamespace = ["--pdeathsig", "KILL", "unshare", "-m", "bash", "-c"]

const joinGroup = `set -e; ${hierarchies.map((folder) => `mkdir -p ${folder}/${group}; echo $$ > ${folder}/${group}/cgroup.procs`).join("; ")}`

/** Ends what is in the groups of tests that are over, by a kill perhaps, and takes them away. */
const clearGroups = (): void => {
  for (const hierarchy of hierarchies) {
    const groups = globSync(`${hierarchy}/quiesce-test-*`).filter((folder) => {
      const name = basename(folder)
      return name === group || !existsSync(`/proc/${name.replace("quiesce-test-", "")}`)
    })
    const folders = groups.flatMap((each) => globSync(`${each}/**/cgroup.procs`).map(dirname))
    for (const folder of folders.toSorted(longestFirst)) {
      const pids = readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n")
      for (const pid of pids) if (pid !== "") spawnSync("kill", ["-9", pid])
      // A process that was killed is gone a moment later.
      for (let tries = 0; tries < 100 && spawnSync("rmdir", [folder]).status !== 0; tries++)
        spawnSync("sleep", ["0.02"])
    }
  }
}

const longestFirst = (a: string, b: string): number => b.length - a.length

export class PrivateSystemd {
  readonly folder = mkdtempSync(join(tmpdir(), "quiesce-systemd-"))
  readonly #manager: ChildProcess
  log = ""
  /** 252, 257: known when it is ready. */
  version = 0

  constructor() {
    mkdirSync(this.#units)
    for (const target of ["basic", "default", "shutdown"])
      writeFileSync(join(this.#units, `${target}.target`), `[Unit]\nDescription=${target}\nDefaultDependencies=no\n`)
    const run = `${takeUsr}; mount -t tmpfs tmpfs /run; mkdir -p /run/user/0 /run/systemd/system`
    const manager = `exec ${systemd} --user --unit=default.target --log-target=console --show-status=no`
    this.#manager = spawn("setpriv", [...inNamespace, `${joinGroup}; ${run}; ${manager}`], {
      env: { PATH: process.env["PATH"], HOME: this.folder, XDG_RUNTIME_DIR: runtime, SYSTEMD_UNIT_PATH: this.#units },
      stdio: ["ignore", "pipe", "pipe"]
    })
    for (const stream of [this.#manager.stdout, this.#manager.stderr])
      stream?.on("data", (data: Buffer) => (this.log += data.toString()))
  }

  /** Resolves when it takes commands. */
  async ready(): Promise<this> {
    while (this.try("list-units").status !== 0) {
      if (this.#manager.exitCode !== null) throw new Error(`systemd has ended: ${this.log}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    this.version = Number(/^Version=(\d+)/.exec(this.systemctl("show", "-pVersion"))?.[1])
    return this
  }

  /** Puts a unit in place; its output goes to `<name>.log`, and `more` is said after what the unit says itself. */
  install(name: string, unit: string, more = ""): void {
    const file = join(this.#units, `${name}.service`)
    const output = `StandardOutput=append:${this.#logOf(name)}\nStandardError=append:${this.#logOf(name)}\n`
    mkdirSync(`${file}.d`)
    writeFileSync(file, unit)
    writeFileSync(join(`${file}.d`, "test.conf"), `[Service]\n${output}${more}\n`)
    this.systemctl("daemon-reload")
  }

  installSocket(name: string, socket: string): void {
    writeFileSync(join(this.#units, `${name}.socket`), socket)
    this.systemctl("daemon-reload")
  }

  /** Fails when systemctl fails, and waits as systemctl does. */
  systemctl(...args: ReadonlyArray<string>): string {
    const { status, stderr, stdout } = this.try(...args)
    if (status !== 0) throw new Error(`systemctl ${args.join(" ")}: ${stderr}\n${this.log}`)
    return stdout
  }

  try(...args: ReadonlyArray<string>): {
    readonly status: number | null
    readonly stdout: string
    readonly stderr: string
  } {
    return spawnSync("nsenter", [...this.#command, ...args], { encoding: "utf8" })
  }

  /** One that may take until the test has done something else. */
  begin(...args: ReadonlyArray<string>): ChildProcess {
    return spawn("nsenter", [...this.#command, ...args], { stdio: "ignore" })
  }

  /** Properties as `systemctl show` has them. */
  show(name: string, ...properties: ReadonlyArray<string>): Readonly<Record<string, string>> {
    const lines = this.systemctl("show", `${name}.service`, `-p${properties.join()}`).trim().split("\n")
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])
    )
  }

  /** Waits until a property is as it says. */
  async until(name: string, property: string, value: string): Promise<void> {
    while (this.show(name, property)[property] !== value) await new Promise((resolve) => setTimeout(resolve, 50))
  }

  output(name: string): string {
    return existsSync(this.#logOf(name)) ? readFileSync(this.#logOf(name), "utf8") : ""
  }

  async close(): Promise<void> {
    this.try("exit")
    this.#manager.kill("SIGKILL")
    if (this.#manager.exitCode === null && this.#manager.signalCode === null) await once(this.#manager, "exit")
    clearGroups()
    rmSync(this.folder, { recursive: true })
  }

  get #command(): ReadonlyArray<string> {
    return ["-t", String(this.#manager.pid), "-m", "env", `XDG_RUNTIME_DIR=${runtime}`, "systemctl", "--user"]
  }

  get #units(): string {
    return join(this.folder, "units")
  }

  #logOf(name: string): string {
    return join(this.folder, `${name}.log`)
  }
}

const runtime = "/run/user/0"
