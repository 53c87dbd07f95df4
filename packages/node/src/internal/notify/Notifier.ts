/**
 * Tells who has started this process how the application is: a supervisor through its pipe, or a service manager through its
 * socket. Where nobody asks, it does nothing.
 */
import * as Effect from "effect/Effect"
import type { Event } from "quiesce/Event"
import type { Lifecycle } from "quiesce/Lifecycle"
import { SdNotify } from "../../SdNotify.ts"
import { Messages } from "./messages.ts"
import { NotifyPipe } from "./NotifyPipe.ts"

export class Notifier {
  readonly #pipe: NotifyPipe | undefined
  readonly #receiver: { readonly send: (lines: ReadonlyArray<string>) => void } | undefined
  readonly #messages = new Messages()
  #lifecycle: Lifecycle["Service"] | undefined
  #running = false

  /** Takes what is meant for this process out of its environment, so that a child process does not answer for it. */
  constructor(warn: (text: string) => void) {
    const manager = SdNotify.fromEnv(warn)
    this.#pipe = pipeFromEnv(warn)
    // With a supervisor it is the supervisor who speaks to the manager: one of its processes may end while the service goes on.
    this.#receiver = this.#pipe ?? manager
    const interval = watchdogMillis()
    // Half of what is allowed, as sd_watchdog_enabled(3) advises.
    if (this.#receiver !== undefined && interval !== undefined) setInterval(() => this.#beat(), interval / 2).unref()
  }

  watch(lifecycle: Lifecycle["Service"]): void {
    this.#lifecycle = lifecycle
    if (this.#running) this.#sendPlan()
  }

  onEvent(event: Event): void {
    if (this.#receiver === undefined) return
    const lines = this.#messages.of(event)
    if (this.#pipe !== undefined) this.#pipe.send([...lines, `X_QUIESCE_EVENT=${JSON.stringify(event)}`])
    else if (lines.length > 0) this.#receiver.send(lines)
    if (event._tag === "StateChanged" && event.to === "Running") {
      this.#running = true
      this.#sendPlan()
    }
  }

  #sendPlan(): void {
    if (this.#pipe === undefined || this.#lifecycle === undefined) return
    this.#pipe.send([`X_QUIESCE_PLAN=${JSON.stringify(Effect.runSync(this.#lifecycle.plan))}`])
  }

  /** From the event loop, so that one that is blocked stops it. A liveness check that fails asks for a new process, too. */
  #beat(): void {
    const checks = this.#lifecycle?.health.summaryUnsafe().checks ?? []
    if (!checks.some(({ kind, status }) => kind === "liveness" && status === "fail"))
      this.#receiver?.send(["WATCHDOG=1"])
  }
}

const take = (name: string): string | undefined => {
  const value = process.env[name]
  delete process.env[name]
  return value
}

const pipeFromEnv = (warn: (text: string) => void): NotifyPipe | undefined => {
  const fd = take("QUIESCE_NOTIFY_FD")
  if (fd === undefined) return undefined
  try {
    return new NotifyPipe(Number(fd))
  } catch {
    warn(
      `QUIESCE_NOTIFY_FD is "${fd}", which is no open pipe of this process: its supervisor hears nothing of it, and the ` +
        "application runs on; start it directly by the supervisor, since most programs in between close what they do not know"
    )
    return undefined
  }
}

/** `undefined` when nobody watches, or when it is another process that is watched. */
const watchdogMillis = (): number | undefined => {
  const micros = Number(take("WATCHDOG_USEC"))
  const pid = take("WATCHDOG_PID")
  return micros > 0 && (pid === undefined || Number(pid) === process.pid) ? micros / 1000 : undefined
}
