/**
 * What the watchdog's thread says: never in a way that could hold it, since pipes that nobody reads hang, and disks do.
 */
import type { Words } from "./messages.ts"
import type { writeDown } from "./writeDown.ts"

/** A part of the program of the watchdog's thread, which is sent there as text: it refers to nothing outside of itself. */
export const speech = (scribe: typeof writeDown) => {
  const fs = process.getBuiltinModule("node:fs")
  const { Worker } = process.getBuiltinModule("node:worker_threads")
  /** For what is said and saved; then for who does it in another way. */
  const sayMillis = 100
  const saveMillis = 400

  const after = (millis: number): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, millis, undefined))

  const write = (text: string): Promise<unknown> =>
    new Promise((resolve) => {
      const bytes = Buffer.from(text)
      // Not by this thread: a pipe that nobody reads would hold it.
      const rest = (from: number): void =>
        fs.write(2, bytes, from, (error, count) => {
          if (error?.code === "EAGAIN") setTimeout(rest, 5, from)
          else if (error !== null || from + count >= bytes.length) resolve(undefined)
          else rest(from + count)
        })
      rest(0)
    })

  const save = (path: string, json: string): Promise<unknown> =>
    new Promise((resolve) => {
      fs.writeFile(`${path}.part`, json, () => fs.rename(`${path}.part`, path, resolve))
    })

  /** The last words, within limits: what hangs may hold all threads that Node has for files, too. */
  const speak = async (words: Words): Promise<void> => {
    const { json, path, text } = words
    const done = Promise.all([write(text), path !== undefined && save(path, json)]).then(() => true)
    if (await Promise.race([done, after(sayMillis)])) return
    const thread = new Worker(`(${scribe.toString()})()`, { eval: true, workerData: words, env: {}, execArgv: [] })
    await Promise.race([done, new Promise((resolve) => thread.on("exit", resolve)), after(saveMillis)])
  }

  return { speak, write }
}
