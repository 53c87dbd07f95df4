/** A folder of a test's own, for a database and a configuration file. */
import * as Effect from "effect/Effect"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const temporaryFolder = (): Disposable & { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), "dashboard-"))
  chmodSync(path, 0o711) // for root the server runs as nobody, who has to get in
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** The same, until the scope closes. */
export const scopedFolder = Effect.map(
  Effect.acquireRelease(Effect.sync(temporaryFolder), (folder) => Effect.sync(() => folder[Symbol.dispose]())),
  ({ path }) => path
)
