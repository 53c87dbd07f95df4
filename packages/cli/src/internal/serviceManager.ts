/**
 * A service manager knows the supervisor only: what it should hear of the application is handed on.
 */
import type { Message } from "./NotifyReader.ts"

export type SendLines = (lines: ReadonlyArray<string>) => void

/** All but the end: of that the supervisor speaks for itself, as one life of the application may end while the service goes on. */
const handedOn = ["READY", "STATUS", "RELOADING", "MONOTONIC_USEC", "EXTEND_TIMEOUT_USEC", "WATCHDOG"]

export const handOn = (message: Message, send: SendLines): void => {
  const lines = handedOn.flatMap((key) => (message.has(key) ? [`${key}=${message.get(key)}`] : []))
  if (lines.length > 0) send(lines)
}

/** Milliseconds without a heartbeat after which the manager takes this process for dead; undefined when it does not watch. */
export const watchdogMillis = (): number | undefined => {
  const { WATCHDOG_PID = String(process.pid), WATCHDOG_USEC } = process.env
  const micros = Number(WATCHDOG_USEC)
  return micros > 0 && WATCHDOG_PID === String(process.pid) ? micros / 1000 : undefined
}

/** CLOCK_MONOTONIC, by which systemd tells this reload from the one before. */
export const reloading = (): ReadonlyArray<string> => [
  "RELOADING=1",
  `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`
]
