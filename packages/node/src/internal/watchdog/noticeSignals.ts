/**
 * Whether the main thread was sent a signal that it could not take: Linux tells nobody, but there are traces.
 */
interface Look {
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly writes: number
}

/** A part of the program of the watchdog's thread, which is sent there as text: it refers to nothing outside of itself. */
export const noticeSignals = () => {
  const fs = process.getBuiltinModule("node:fs")
  /** The main thread's own folder, on Linux; the number is that of the mounted /proc, in a container too. */
  const mainThread = ((): string | undefined => {
    try {
      return `/proc/self/task/${fs.readlinkSync("/proc/self")}`
    } catch {
      return undefined
    }
  })()
  const page = Buffer.alloc(512)
  const accounts = ((): number | undefined => {
    try {
      const file = fs.openSync(`${mainThread}/io`, "r")
      // Some let it be opened, and not read.
      fs.readSync(file, page, 0, page.length, 0)
      return file
    } catch {
      return undefined
    }
  })()

  /** What the main thread has read and written so far. It is looked at again and again, so that costs microseconds. */
  const look = (): Look | undefined => {
    if (accounts === undefined) return undefined
    const io = page.toString("latin1", 0, fs.readSync(accounts, page, 0, page.length, 0))
    const [bytesRead = 0, bytesWritten = 0, , writes = 0] = Array.from(io.matchAll(/\d+/g), Number)
    return { bytesRead, bytesWritten, writes }
  }

  const isZombie = (pid: string): boolean => {
    try {
      return / Z /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
    } catch {
      return false
    }
  }
  /** Child processes that have ended and that the main thread has not heard of. */
  const countZombies = (): number => {
    try {
      return fs.readFileSync(`${mainThread}/children`, "utf8").trim().split(" ").filter(isZombie).length
    } catch {
      return 0
    }
  }

  /** An answer to a question, or two: the main thread wakes this one by a write of 8 bytes. */
  const mostAnswers = 2

  let looked: Look | undefined
  /** At the last look, and at the one before. */
  let zombies: readonly [last: number, before: number] = [0, 0]

  /**
   * Whether a signal came since the last look, and which one nobody can say. libuv's handler leaves a note for its own event
   * loop: it reads one byte and writes 17 in two parts, and a thread that is blocked does little else. The end of a child process
   * is such a signal as well, and leaves a zombie; on a busy machine that is seen a while before the note is.
   */
  const hasCome = (): boolean => {
    const before = looked
    looked = look()
    const [last, earlier] = zombies
    zombies = [countZombies(), last]
    if (before === undefined || looked === undefined) return false
    const writes = looked.writes - before.writes
    const notes = looked.bytesWritten - before.bytesWritten - 8 * writes
    const answers = writes - 2 * notes
    if (answers < 0 || answers > mostAnswers || looked.bytesRead - before.bytesRead !== notes) return false
    return notes > Math.max(zombies[0] - earlier, 0)
  }

  return {
    /** For a main thread that runs: what came so far it has taken, and of its child processes it has heard. */
    look: (): void => {
      looked = look()
      zombies = [0, 0]
    },
    hasCome,
    /** What has been left until the next look is known of. */
    forget: (): void => {
      looked = undefined
    }
  }
}
