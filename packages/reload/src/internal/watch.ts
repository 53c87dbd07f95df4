/**
 * Tells that a file may have changed: through its folder, because a watch on the file itself goes deaf when the file is
 * replaced, as editors, `ConfigFile.save` and Kubernetes do.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { split } from "./save.ts"

/** The link that Kubernetes turns to a new version of a ConfigMap or Secret; the file itself is a link through it. */
const kubernetesLink = "..data"

/**
 * Never ends by itself: a folder that cannot be watched is tried again, once in each `retry`. `changed` also runs when a watch
 * has been set up, for what happened before.
 */
export const watchFolder = (
  folder: string,
  files: ReadonlyArray<string>,
  changed: () => void,
  { debounce, retry }: { readonly debounce: Duration.Input; readonly retry: Duration.Input }
): Effect.Effect<never, never, FileSystem.FileSystem> => {
  const names = new Set([kubernetesLink, ...files])
  let told = false
  const watch = Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.watch(folder, { onReady: changed }).pipe(
      Stream.filter(({ path }) => names.has(split(path)[1])),
      Stream.debounce(debounce),
      Stream.runForEach(() => Effect.sync(changed))
    )
  )
  return watch.pipe(
    Effect.catch((error) => {
      const first = !told
      told = true
      return first
        ? Effect.logWarning(`${folder} cannot be watched, so changes are noticed by looking: ${error.message}`)
        : Effect.void
    }),
    Effect.andThen(Effect.sleep(retry)),
    Effect.forever
  )
}
