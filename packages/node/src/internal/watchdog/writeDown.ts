/**
 * Writes down what is left to be said, for when nothing else does it any more, and may hang itself.
 */
import type { Words } from "./messages.ts"

/** The whole program of a thread. It is sent there as text, so it refers to nothing outside of itself. */
export const writeDown = (): void => {
  const fs = process.getBuiltinModule("node:fs")
  const words: Words = process.getBuiltinModule("node:worker_threads").workerData
  const { json, path, text } = words
  if (path !== undefined) {
    fs.writeFileSync(`${path}.part`, json)
    fs.renameSync(`${path}.part`, path)
  }
  fs.writeSync(2, text)
}
