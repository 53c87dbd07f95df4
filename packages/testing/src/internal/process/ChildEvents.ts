/**
 * Reads the event log of a process while it is being written.
 *
 * It is a file, because only a file has all of this: the path goes through wrappers (`npm start`) in the environment, where a
 * descriptor is lost; the writer never waits for the reader, so that a busy test does not slow what it measures; what was
 * written is there after `kill -9`.
 */
import * as Schema from "effect/Schema"
import { Event } from "quiesce/Event"
import { closeSync, type FSWatcher, openSync, readSync, watch } from "node:fs"
import { StringDecoder } from "node:string_decoder"

const decode = Schema.decodeUnknownSync(Event)

export class ChildEvents {
  readonly #file: number
  readonly #watcher: FSWatcher | undefined
  readonly #events: Array<Event> = []
  readonly #decoder = new StringDecoder("utf8")
  readonly #buffer = Buffer.alloc(65_536)
  #tail = ""
  #isOpen = true

  /** `path` exists. `changed` is a hint: it may come for nothing, and there are file systems on which it never comes. */
  constructor(path: string, changed: () => void) {
    this.#file = openSync(path, "r")
    try {
      this.#watcher = watch(path, { persistent: false }, changed).on("error", () => {})
    } catch {
      // The system has no watcher left; who waits looks now and then all the same.
      this.#watcher = undefined
    }
  }

  /** Everything so far. The last line counts when it is whole: a killed process can leave half of one. */
  read(): ReadonlyArray<Event> {
    for (let length = this.#fill(); length > 0; length = this.#fill()) {
      const lines = (this.#tail + this.#decoder.write(this.#buffer.subarray(0, length))).split("\n")
      this.#tail = lines.pop() ?? ""
      for (const line of lines) {
        const json = parse(line)
        if (json !== undefined) this.#events.push(decode(json))
      }
    }
    return this.#events
  }

  /** What was read stays. */
  close(): void {
    this.#isOpen = false
    this.#watcher?.close()
    closeSync(this.#file)
  }

  #fill(): number {
    return this.#isOpen ? readSync(this.#file, this.#buffer) : 0
  }
}

/** Nothing of an empty line, and of half a line that another process has ended. */
const parse = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
