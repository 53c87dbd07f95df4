/**
 * The report as a JSON file, one for each life, in the folder that was asked for. Whoever ends the process writes it: the main
 * thread, or the watchdog in its place.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const variable = "QUIESCE_REPORTS"

/** Where the report of this life goes: to the folder of the option, else of the environment; `undefined` when neither asks. */
export const reportPath = (option: string | undefined, name: string): string | undefined => {
  const folder = option ?? process.env[variable] ?? ""
  const began = new Date().toISOString().replaceAll(":", "-")
  return folder === "" ? undefined : join(folder, `${name.replaceAll(/[^\w.-]/g, "_")}-${began}-${process.pid}.json`)
}

/** Before there is anything to be written: whether the folder is there, or can be. */
export const prepareReports = (path: string, warn: (text: string) => void): void =>
  attempt(path, warn, () => makeFolder(dirname(path)))

/** Node's own way to make the folders above as well never returns where none can be made, as in /proc. */
const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!existsSync(folder)) throw error
  }
}

/** All of it or nothing; a report that cannot be written is no reason to leave in another way. */
export const writeReport = (path: string, json: string, warn: (text: string) => void): void =>
  attempt(path, warn, () => {
    writeFileSync(`${path}.part`, `${json}\n`)
    renameSync(`${path}.part`, path)
  })

const attempt = (path: string, warn: (text: string) => void, run: () => void): void => {
  try {
    run()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    warn(
      `the report cannot be written to ${path} (${why}); let ${variable}, or the option reports, name a folder where this ` +
        `process may write`
    )
  }
}
