/**
 * The stop signals of the process, caught from the first moment on and kept until there is an application to tell.
 *
 * It imports nothing: until it has run, a SIGTERM kills.
 */

const stopSignals: ReadonlyArray<NodeJS.Signals> =
  process.platform === "win32" ? ["SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"] : ["SIGTERM", "SIGINT", "SIGHUP"]

export interface HeldSignals {
  /** Delivers what has come so far, and from now on each as it comes. */
  readonly deliver: (to: (signal: string) => void) => void
}

export const holdSignals = (): HeldSignals => {
  const held: Array<string> = []
  let tell = (signal: string): void => void held.push(signal)
  for (const signal of stopSignals) process.on(signal, () => tell(signal))
  return {
    deliver: (to) => {
      tell = to
      for (const signal of held) to(signal)
    }
  }
}
