/**
 * One run of the server: started, ready, watched, stopped.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { EmbeddedPostgresError, type Reason } from "../../EmbeddedPostgresError.ts"
import { executable } from "./binaries.ts"
import type { Folder } from "./folder.ts"
import { identify } from "./identity.ts"
import { launch } from "./launch.ts"
import { end, inUse, makeWay, ownerSetting, readPidFile, signal } from "./postmaster.ts"
import { excerpt, since } from "./serverLog.ts"

export interface ServerOptions {
  readonly port: number | undefined
  readonly auth: "password" | "trust"
  readonly settings: Readonly<Record<string, string>>
  readonly startTimeout: Duration.Duration
  /** Asked when it stops. */
  readonly stopLimit: Effect.Effect<Duration.Duration>
}

export interface Server {
  readonly port: number
  readonly pid: number
  /** Tells it to stop and waits for nothing, for a forced exit. */
  readonly abandon: () => void
  /** Fails when the server ends by itself; never succeeds. */
  readonly died: Effect.Effect<never, EmbeddedPostgresError>
}

/** Starts the server of a folder that has a cluster; it is ready when this succeeds and stops with the scope. */
export const serve = (
  folder: Folder,
  options: ServerOptions
): Effect.Effect<Server, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function* () {
    const hba = join(folder.home, "pg_hba.conf")
    fs.writeFileSync(hba, `host all all 127.0.0.1/32 ${options.auth === "trust" ? "trust" : "scram-sha-256"}\n`)
    fs.chmodSync(hba, 0o644) // Postgres may run under another account, and umask may be strict
    if (fs.existsSync(folder.log)) fs.renameSync(folder.log, `${folder.log}.1`)
    const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(options.startTimeout)

    yield* makeWay(folder, Duration.seconds(5))
    const portFile = join(folder.dataDir, "port")
    let wish = fs.existsSync(portFile) ? Number(fs.readFileSync(portFile, "utf8")) : 0
    while (true) {
      const port = options.port ?? (yield* freePort(wish))
      // A server that does not come up must be gone before the next try.
      const scope = yield* Scope.fork(yield* Scope.Scope)
      const outcome = yield* Scope.provide(attempt(folder, options, hba, port, deadline), scope).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      if (typeof outcome !== "string") {
        fs.writeFileSync(portFile, String(port))
        return outcome
      }
      yield* Scope.close(scope, Exit.void)
      if (outcome === "portTaken" && options.port !== undefined) return yield* failure({ _tag: "PortTaken", port })
      wish = 0
      if (outcome === "lingering") yield* Effect.sleep("100 millis")
    }
  })

const failure = (reason: Reason) => new EmbeddedPostgresError({ reason })

/** The server; or why it is worth another try: its port was taken, or processes of a killed server still linger. */
const attempt = Effect.fnUntraced(function* (
  folder: Folder,
  options: ServerOptions,
  hba: string,
  port: number,
  deadline: number
): Effect.fn.Return<Server | "portTaken" | "lingering", EmbeddedPostgresError, Scope.Scope> {
  const { dataDir } = folder
  const offset = fs.statSync(folder.log, { throwIfNoEntry: false })?.size ?? 0
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => start(folder, options, hba, port)),
    (child) => Effect.flatMap(options.stopLimit, (limit) => stopChild(folder, child, limit))
  )
  let failed: Error | undefined
  child.on("error", (error) => (failed = error))

  while (true) {
    const timeIsUp = (yield* Clock.currentTimeMillis) >= deadline
    if (failed !== undefined) return yield* failure({ _tag: "StartFailed", dataDir, detail: failed.message })
    const pidFile = readPidFile(folder.cluster)
    if (pidFile?.pid === child.pid && pidFile?.isReady) break
    if (hasExited(child)) {
      const said = since(folder.log, offset)
      if (/Address already in use|could not create any TCP\/IP sockets/.test(said)) return "portTaken"
      const used = inUse(folder)
      if (used !== undefined) return yield* used
      if (!timeIsUp && /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said))
        return "lingering"
      return yield* failure({ _tag: "StartFailed", dataDir, detail: excerpt(folder.log, offset) })
    }
    if (timeIsUp) {
      const after = Duration.toMillis(options.startTimeout)
      return yield* failure({ _tag: "TimedOut", dataDir, after, detail: excerpt(folder.log, offset) })
    }
    yield* Effect.sleep("10 millis")
  }
  const identity = identify(child.pid ?? 0)
  return {
    port,
    pid: child.pid ?? 0,
    abandon: () => identity !== undefined && signal(identity, "SIGINT"),
    died: died(folder, child, offset)
  }
})

const start = (folder: Folder, options: ServerOptions, hba: string, port: number): ChildProcess => {
  const settings = {
    ...options.settings,
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    hba_file: hba
  }
  const output = fs.openSync(folder.log, "a", 0o600) // failed statements are in it, data and all
  const child = launch({
    file: executable(folder.binaries, "postgres"),
    args: [
      "-D",
      folder.cluster,
      "-c",
      ownerSetting(),
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    ],
    account: folder.account,
    output,
    whenOrphaned: "INT"
  })
  fs.closeSync(output)
  return child
}

const hasExited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** Timers only, no races: it runs in finalizers of interrupted fibers too. */
const stopChild = Effect.fnUntraced(function* (folder: Folder, child: ChildProcess, timeout: Duration.Duration) {
  const server = hasExited(child) || child.pid === undefined ? undefined : identify(child.pid)
  if (server === undefined) return
  // A little less, so that the component's own limit does not strike first.
  const how = yield* end(server, Duration.times(timeout, 0.9))
  if (how === "fast") return
  const means = how === "immediate" ? "an immediate shutdown" : "SIGKILL"
  yield* Effect.logWarning(
    `embedded Postgres on ${folder.dataDir} needed ${means} after ${Duration.format(timeout)}; its data is recovered at the next start`
  )
})

const died = (folder: Folder, child: ChildProcess, offset: number): Effect.Effect<never, EmbeddedPostgresError> =>
  Effect.callback((resume) => {
    const report = () => {
      const how = child.signalCode === null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`
      const detail = `${how}; ${excerpt(folder.log, offset)}`
      resume(Effect.fail(failure({ _tag: "Died", dataDir: folder.dataDir, detail })))
    }
    if (hasExited(child)) return report()
    child.once("exit", report)
    return Effect.sync(() => void child.off("exit", report))
  })

/** `wish` if it is free, else any. Somebody can still be quicker; then the start is tried again. */
const freePort = (wish: number): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const probe = createServer()
    probe.once("error", () => resume(wish === 0 ? Effect.die(new Error("no free port on 127.0.0.1")) : freePort(0)))
    probe.listen({ host: "127.0.0.1", port: Number.isInteger(wish) && wish > 1023 ? wish : 0 }, () => {
      const address = probe.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      probe.close(() => resume(Effect.succeed(port)))
    })
  })
