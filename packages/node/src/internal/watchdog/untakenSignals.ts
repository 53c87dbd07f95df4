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
  const notes = new Int32Array(16_384)
  const bytes = new Uint8Array(notes.buffer)
  /** What the kernel takes whole, or not at all. */
  const part = 4096

  /** How many of each were seen the last time. */
  let before: ReadonlyMap<string, number> = new Map()

  const read = (pipe: SignalPipe): number => {
    try {
      return fs.readSync(pipe.read, bytes)
    } catch {
      // It is empty.
      return 0
    }
  }

  const putBack = (pipe: SignalPipe, from: number, to: number): void => {
    try {
      fs.writeSync(pipe.write, bytes, from, to - from)
    } catch {
      // It is full again: of so many thousand signals the latest say the same.
    }
  }

  return {
    /** The names of those that came since the last time. They stay where they are. */
    look: (pipe: SignalPipe): ReadonlyArray<string> => {
      const length = read(pipe)
      for (let from = 0; from < length; from += part) putBack(pipe, from, Math.min(from + part, length))
      const seen = new Map<string, number>()
      for (let note = 0; note < length; note += 16) {
        const name = names.get(notes[note / 4 + 2] ?? 0) ?? ""
        seen.set(name, (seen.get(name) ?? 0) + 1)
      }
      const fresh = Array.from(seen.keys()).filter((name) => (seen.get(name) ?? 0) > (before.get(name) ?? 0))
      before = seen
      return fresh
    },
    /** The main thread runs: what came so far it takes. */
    forget: (): void => {
      before = new Map()
    }
  }
}
