/**
 * The event log as a file: one JSON line for each event, in the file before whatever caused the event goes on, so that it
 * is complete however the process leaves.
 */
import { appendFileSync, closeSync, constants, fstatSync, openSync } from "node:fs"
import type { Event } from "quiesce/Event"

const variable = "QUIESCE_EVENTS"

/** Appends. A named pipe that nobody reads is an error at once; without O_NONBLOCK it would hold the process, for ever. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/** The file that was asked for: by the option, else by the environment. */
export const eventFilePath = (option: string | undefined): string | undefined => {
  if (option !== undefined) return option === "" ? undefined : option
  const path = process.env[variable]
  // It is meant for this process. An application that is started by this one would write between our lines.
  delete process.env[variable]
  return path === "" ? undefined : path
}

export class EventFile {
  readonly #path: string
  readonly #warn: (text: string) => void
  #file: number | undefined

  constructor(path: string, warn: (text: string) => void) {
    this.#path = path
    this.#warn = warn
    this.#try(() => {
      this.#file = openSync(path, flags)
      // A life before this one may have been killed in the middle of its last line.
      if (fstatSync(this.#file).size > 0) appendFileSync(this.#file, "\n")
    })
  }

  /** Never throws: a log that cannot be written is no reason for a life to go another way. */
  write(event: Event): void {
    const file = this.#file
    if (file !== undefined) this.#try(() => appendFileSync(file, `${JSON.stringify(event)}\n`))
  }

  /** After the first failure nothing is tried any more: half a log with a hole in it is worse than its beginning. */
  #try(run: () => void): void {
    try {
      run()
    } catch (error) {
      const file = this.#file
      this.#file = undefined
      const why = error instanceof Error ? error.message : String(error)
      this.#warn(
        `the event log ${this.#path} cannot be written (${why}): its events are lost from here on, the application runs on; ` +
          `let ${variable}, or the option eventLog, name a file in a folder where this process may write`
      )
      if (file !== undefined) closeQuietly(file)
    }
  }
}

const closeQuietly = (file: number): void => {
  try {
    closeSync(file)
  } catch {
    // It could not be written either.
  }
}
