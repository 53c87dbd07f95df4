/**
 * Writing so that whoever reads, at whatever instant, and after whatever crash, finds either the old file or the new one,
 * whole: a temporary file beside it, flushed to the disk, takes its place in one step, and the folder is flushed too.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Random from "effect/Random"

/** The folder of a file, and its name in it. */
export const split = (path: string): readonly [folder: string, name: string] => {
  const [, folder, name] = /^(.*?)([^/\\]*)$/s.exec(path) ?? []
  return [folder === undefined || folder === "" ? "." : folder, name ?? path]
}

const temporary = (name: string): RegExp =>
  new RegExp(String.raw`^\.${name.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}\.[0-9a-f]{8}\.tmp$`)

/** A save is over long before; what is older was left behind by one that was killed. */
const leftBehindAfterMillis = 60_000

export const writeAtomically = (
  path: string,
  text: string
): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // A link stays one: what it leads to is what is written.
    const target = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
    const [folder, name] = split(target)
    yield* sweep(folder, name)
    const mode = yield* Effect.map(Effect.option(fs.stat(target)), (info) =>
      Option.isSome(info) ? info.value.mode & 0o777 : undefined
    )
    const random = yield* Random.nextIntBetween(0, 0xff_ff_ff_ff)
    const beside = `${folder === "." ? "./" : folder}.${name}.${random.toString(16).padStart(8, "0")}.tmp`
    const write = Effect.andThen(
      fs.writeFileString(beside, text, { flag: "wx", mode: mode ?? 0o644 }),
      Effect.scoped(Effect.flatMap(fs.open(beside, { flag: "r+" }), (file) => file.sync))
    )
    yield* Effect.andThen(write, fs.rename(beside, target)).pipe(Effect.onError(() => Effect.ignore(fs.remove(beside))))
    // Not every system lets a folder be flushed; the file itself is safe by now.
    yield* Effect.ignore(Effect.scoped(Effect.flatMap(fs.open(folder, { flag: "r" }), (opened) => opened.sync)))
  })

/** What killed saves have left behind is taken away. */
const sweep = (folder: string, name: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const now = yield* Clock.currentTimeMillis
    const pattern = temporary(name)
    const names = yield* Effect.orElseSucceed(fs.readDirectory(folder), () => [])
    for (const left of names.filter((each) => pattern.test(each))) {
      const path = `${folder === "." ? "./" : folder}${left}`
      const written = yield* Effect.option(fs.stat(path))
      const at = Option.flatMap(written, ({ mtime }) => mtime)
      if (Option.isSome(at) && now - at.value.getTime() > leftBehindAfterMillis) yield* Effect.ignore(fs.remove(path))
    }
  })
