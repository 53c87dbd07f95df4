/**
 * Makes a cluster, whole or not at all: initdb works in a folder beside it, which is renamed at the end. So a kill in the
 * middle leaves no half cluster, and of two applications that start at once one simply finds it made.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { EmbeddedPostgresError } from "../../EmbeddedPostgresError.ts"
import { executable } from "./binaries.ts"
import type { Folder } from "./folder.ts"
import { identify } from "./identity.ts"
import { launch } from "./launch.ts"
import { excerpt } from "./serverLog.ts"

const PREFIX = "cluster.new-"

export const ensureCluster = (
  folder: Folder,
  options: { readonly username: string; readonly password: string; readonly durable: boolean }
): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    if (fs.existsSync(folder.cluster)) return
    removeLeftovers(folder)
    const draft = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(join(folder.home, `${PREFIX}${process.pid}-`))),
      (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 }))
    )
    const [cluster, passwordFile] = [join(draft, "cluster"), join(draft, "password")]
    fs.writeFileSync(passwordFile, options.password, { mode: 0o600 })
    if (folder.account !== undefined) {
      for (const path of [draft, passwordFile]) fs.chownSync(path, folder.account.uid, folder.account.gid)
    }
    yield* run(folder, [
      `--pgdata=${cluster}`,
      `--username=${options.username}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      // 192 random bits need no stretching, and a connection costs 6 ms instead of 16.
      "--set=scram_iterations=1",
      // The same order and case rules on every machine, without the locales of the system.
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--no-instructions",
      ...(options.durable ? [] : ["--no-sync"])
    ])
    try {
      fs.renameSync(cluster, folder.cluster)
    } catch (cause) {
      if (!fs.existsSync(folder.cluster)) throw cause
    }
  }).pipe(
    Effect.scoped,
    Effect.catchDefect((cause) => Effect.fail(failed(folder, cause instanceof Error ? cause.message : String(cause))))
  )

const failed = (folder: Folder, detail: string) =>
  new EmbeddedPostgresError({ reason: { _tag: "InitFailed", dataDir: folder.dataDir, detail } })

/** Runs initdb to its end; an interruption kills it. */
const run = (folder: Folder, args: ReadonlyArray<string>): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.callback((resume) => {
    const output = fs.openSync(folder.log, "w", 0o600)
    const child = launch({
      file: executable(folder.binaries, "initdb"),
      args,
      account: folder.account,
      output,
      whenOrphaned: "KILL"
    })
    fs.closeSync(output)
    child.ref()
    child.once("error", (cause) => resume(Effect.fail(failed(folder, cause.message))))
    child.once("exit", (code) => resume(code === 0 ? Effect.void : Effect.fail(failed(folder, excerpt(folder.log)))))
    return Effect.callback<void>((gone) => {
      child.once("exit", () => gone(Effect.void))
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return gone(Effect.void)
      try {
        process.kill(-child.pid, "SIGKILL") // its group: initdb has a server of its own at work
      } catch {
        child.kill("SIGKILL")
      }
    })
  })

/** Folders of applications that were killed while they initialised. */
const removeLeftovers = (folder: Folder): void => {
  for (const name of fs.readdirSync(folder.home)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : undefined
    if (pid !== undefined && identify(pid) === undefined)
      fs.rmSync(join(folder.home, name), { recursive: true, force: true })
  }
}
