/**
 * Starts a life of the application: the leader of a process group of its own, with the listening sockets from file descriptor 3
 * on and its notify pipe behind them.
 */
import * as Effect from "effect/Effect"
import { spawn, spawnSync } from "node:child_process"
import { StringDecoder } from "node:string_decoder"
import type { Readable } from "node:stream"
import { Child } from "./Child.ts"
import { commandNotExecutable, commandNotFound } from "./exitCode.ts"
import type { HeldSocket } from "./HeldSockets.ts"
import type { Ledger } from "./Ledger.ts"
import { NotifyReader } from "./NotifyReader.ts"
import { endGroup, groupPatience } from "./processGroup.ts"
import { margin } from "./patience.ts"
import { watchdogMillis } from "./serviceManager.ts"
import type { Tell } from "./SupervisionOptions.ts"

export interface SpawnOptions {
  readonly command: ReadonlyArray<string>
  readonly sockets: ReadonlyArray<HeldSocket>
  /** Milliseconds, when the operator has decided it. */
  readonly gracePeriod: number | undefined
  readonly ledger: Ledger
  readonly say: (line: string) => void
}

const firstFd = 3

/**
 * What has a kill -9 of the supervisor end the application: the kernel sends it the signal. Only Linux can do that, and only
 * with a program that asks for it.
 */
const guard = (): ReadonlyArray<string> => {
  const words = ["setpriv", "--pdeathsig", "SIGTERM", "--"]
  if (process.platform !== "linux") return []
  // Busybox has one that does not know the option.
  return spawnSync("setpriv", [...words.slice(1), "true"], { stdio: "ignore" }).status === 0 ? words : []
}

export const spawner = (options: SpawnOptions) => {
  const { ledger, say, sockets } = options
  const [program = "", ...args] = [...guard(), ...options.command]
  const env = environment(options)

  return (generation: number, startedAt: number, tell: Tell): Child => {
    const running = spawn(program, args, {
      // A session of its own: Ctrl-C reaches the supervisor alone, which hands it on, once.
      detached: true,
      stdio: ["ignore", "inherit", "inherit", ...sockets.map(({ fd }) => fd), "pipe"],
      env
    })
    const { pid } = running
    const child = new Child(generation, pid, startedAt)
    if (pid !== undefined) ledger.remember(pid)
    running.on("error", (error: NodeJS.ErrnoException) => {
      if (pid !== undefined) return
      say(`${options.command[0]} cannot be started: ${error.message}`)
      child.exit = { code: error.code === "ENOENT" ? commandNotFound : commandNotExecutable, signal: null }
      tell.exited(child.exit)
    })
    // Its output may stay open for longer, in what it has started.
    running.on("exit", (code, signal) => {
      const exit = { code, signal }
      child.exit = exit
      if (pid === undefined) return
      Effect.runFork(endGroup(pid, groupPatience)).addObserver(() => {
        ledger.forget(pid)
        tell.exited(exit)
      })
    })
    const reader = new NotifyReader(tell.heard)
    const decoder = new StringDecoder("utf8")
    const pipe = running.stdio[firstFd + sockets.length] as Readable | undefined
    pipe?.on("data", (chunk: Buffer) => reader.read(decoder.write(chunk))).on("error", () => {})
    return child
  }
}

const environment = ({ gracePeriod, sockets }: SpawnOptions): NodeJS.ProcessEnv => {
  // The manager watches the supervisor, and the supervisor hands on the heartbeats of the application.
  const { WATCHDOG_PID: _pid, WATCHDOG_USEC, ...env } = process.env
  return {
    ...env,
    ...(watchdogMillis() === undefined ? {} : { WATCHDOG_USEC }),
    ...(sockets.length === 0
      ? {}
      : {
          LISTEN_FDS: String(sockets.length),
          LISTEN_FDNAMES: sockets.map(({ name }) => name).join(":"),
          QUIESCE_LISTEN_PORTS: sockets.map(({ port }) => port ?? "").join(":")
        }),
    QUIESCE_NOTIFY_FD: String(firstFd + sockets.length),
    ...(gracePeriod === undefined ? {} : { QUIESCE_PLATFORM_GRACE: `${gracePeriod + margin} millis` })
  }
}
