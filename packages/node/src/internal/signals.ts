/**
 * The signals of the process, caught from the first moment on: the stop signals are kept until there is an application to
 * tell, and who asks for the status before that hears that it is starting.
 *
 * It imports nothing: until it has run, a SIGTERM kills, and so does a SIGUSR2.
 */
import type { SendHandle } from "node:child_process"

const stopSignals: ReadonlyArray<NodeJS.Signals> =
  process.platform === "win32" ? ["SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"] : ["SIGTERM", "SIGINT", "SIGHUP"]

export interface HeldSignals {
  /** What has come so far. */
  readonly held: () => ReadonlyArray<string>
  /** Delivers what has come so far, and from now on each as it comes. */
  readonly deliver: (to: (signal: string) => void) => void
  /** From now on this is what answers the status signal. */
  readonly answerStatus: (print: () => void) => void
}

export const holdSignals = (name: string, statusSignal: NodeJS.Signals | false): HeldSignals => {
  const held: Array<string> = []
  let tell = (signal: string): void => void held.push(signal)
  let status = (): void => void process.stderr.write(`${name} is Starting: its engine is being loaded\n`)
  for (const signal of stopSignals) process.on(signal, () => tell(signal))
  holdMessages(() => tell(shutdownMessage))
  // Windows knows no user signals, and Node throws for what the platform does not know.
  if (statusSignal !== false && process.platform !== "win32") process.on(statusSignal, () => status())
  return {
    held: () => held,
    deliver: (to) => {
      tell = to
      for (const signal of held) to(signal)
    },
    answerStatus: (print) => {
      status = print
    }
  }
}

/** What the first of them is called in the log; it has no number, as it is no signal. */
const shutdownMessage = "shutdown message"

/**
 * A parent that cannot send signals, as on Windows, sends the message "shutdown" (PM2 with `shutdown_with_message`,
 * node-windows). Node keeps messages until somebody listens: with us as the first listener, it is for us to keep them for the
 * application's own.
 */
const holdMessages = (shutDown: () => void): void => {
  if (process.send === undefined) return
  let kept: Array<readonly [message: unknown, handle: SendHandle]> = []
  process.on("message", (message, handle) => {
    if (message === "shutdown") shutDown()
    else if (process.listenerCount("message") === 1) kept.push([message, handle])
  })
  process.on("newListener", (event) => {
    if (event !== "message" || kept.length === 0) return
    const waiting = kept
    kept = []
    process.nextTick(() => {
      for (const [message, handle] of waiting) process.emit("message", message, handle)
    })
  })
}
