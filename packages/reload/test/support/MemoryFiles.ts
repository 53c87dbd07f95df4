/** Files in memory, for tests under TestClock: what is written is told to whoever watches, as a real file system does. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"

export class MemoryFiles {
  readonly #texts = new Map<string, string>()
  readonly #modified = new Map<string, number>()
  readonly #changes = Effect.runSync(PubSub.unbounded<FileSystem.WatchEvent>())
  /** Whether folders can be watched. */
  watchable = true
  reads = 0

  constructor(texts: Readonly<Record<string, string>> = {}) {
    for (const [path, text] of Object.entries(texts)) this.#texts.set(path, text)
  }

  /** With `told: false` nobody hears of it, as on a network drive. `modified`: the time that the file gets; else it has none. */
  write(
    path: string,
    text: string | undefined,
    { modified, told = true }: { readonly modified?: number; readonly told?: boolean } = {}
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (modified === undefined) this.#modified.delete(path)
      else this.#modified.set(path, modified)
      if (text === undefined) this.#texts.delete(path)
      else this.#texts.set(path, text)
      const event: FileSystem.WatchEvent = { _tag: "Update", path }
      return told ? Effect.asVoid(PubSub.publish(this.#changes, event)) : Effect.void
    })
  }

  readonly #failure = (_tag: PlatformError.SystemErrorTag, method: string) => (path: string) =>
    PlatformError.systemError({ _tag, module: "FileSystem", method, pathOrDescriptor: path })

  readonly layer: Layer.Layer<FileSystem.FileSystem> = Layer.succeed(
    FileSystem.FileSystem,
    FileSystem.makeNoop({
      readFileString: (path) =>
        Effect.suspend(() => {
          this.reads++
          const text = this.#texts.get(path)
          return text === undefined ? Effect.fail(this.#failure("NotFound", "readFile")(path)) : Effect.succeed(text)
        }),
      stat: (path) =>
        Effect.suspend(() => {
          const modified = this.#modified.get(path)
          return modified === undefined
            ? Effect.fail(this.#failure("NotFound", "stat")(path))
            : Effect.succeed(info(modified))
        }),
      watch: (folder, options) =>
        Stream.unwrap(
          Effect.suspend(() =>
            this.watchable
              ? Effect.map(PubSub.subscribe(this.#changes), (subscription) => {
                  options?.onReady?.()
                  return Stream.fromSubscription(subscription)
                })
              : Effect.fail(this.#failure("Unknown", "watch")(folder))
          )
        )
    })
  )
}

const info = (modified: number): FileSystem.File.Info => ({
  type: "File",
  mtime: Option.some(new Date(modified)),
  atime: Option.none(),
  birthtime: Option.none(),
  dev: 0n,
  ino: Option.none(),
  mode: 0o644,
  nlink: Option.none(),
  uid: Option.none(),
  gid: Option.none(),
  rdev: Option.none(),
  size: ByteSize.zero,
  blksize: Option.none(),
  blocks: Option.none()
})
