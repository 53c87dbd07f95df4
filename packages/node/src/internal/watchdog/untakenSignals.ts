/**
 * The signals that the main thread has not taken, by name: what its event loop finds when it comes back.
 */
import type { SignalPipe } from "./SignalPipe.ts"

/** A part of the program of the watchdog's thread, which is sent there as text: it refers to nothing outside of itself. */
export const untakenSignals = () => {
  const fs = process.getBuiltinModule("node:fs")
  const names = new Map(
    Object.entries(process.getBuiltinModule("node:os").constants.signals).map(([name, number]) => [number, name])
  )
  // As much as a pipe holds.
  const bytes = new Uint8Array(65_536)
  /** What the kernel takes whole, or not at all. */
  const part = 4096

  /** How many of each were seen the last time. */
  let before: ReadonlyMap<string, number> = new Map()
  /** What found no room when it was to be put back, as new ones had come meanwhile. */
  let rest = new Uint8Array(0)

  const read = (pipe: SignalPipe): Uint8Array => {
    try {
      return bytes.subarray(0, fs.readSync(pipe.read, bytes))
    } catch {
      // It is empty.
      return bytes.subarray(0, 0)
    }
  }

  const putBack = (pipe: SignalPipe, notes: Uint8Array): void => {
    let from = 0
    try {
      for (; from < notes.length; from += part)
        fs.writeSync(pipe.write, notes, from, Math.min(part, notes.length - from))
    } catch {
      // It is full. The main thread makes room when it runs.
    }
    rest = notes.slice(from)
  }

  return {
    /** The names of those that came since the last time. They stay where they are. */
    look: (pipe: SignalPipe): ReadonlyArray<string> => {
      const came = read(pipe)
      const notes = new Uint8Array(rest.length + came.length)
      notes.set(rest)
      notes.set(came, rest.length)
      putBack(pipe, notes)
      const numbers = new Int32Array(notes.buffer)
      const seen = new Map<string, number>()
      for (let index = 2; index < numbers.length; index += 4) {
        const name = names.get(numbers[index] ?? 0) ?? ""
        seen.set(name, (seen.get(name) ?? 0) + 1)
      }
      const fresh = Array.from(seen.keys()).filter((name) => (seen.get(name) ?? 0) > (before.get(name) ?? 0))
      before = seen
      return fresh
    },
    /** The main thread runs: what came so far it takes. */
    forget: (pipe: SignalPipe): void => {
      before = new Map()
      if (rest.length > 0) putBack(pipe, rest)
    }
  }
}
