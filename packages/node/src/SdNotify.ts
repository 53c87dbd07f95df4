/**
 * The notify socket of a service manager: systemd, or who speaks as it does.
 */
import { spawn } from "node:child_process"
import { libcDatagrams, type SendDatagram } from "./internal/notify/libc.ts"

const retryMillis = 20

/** Messages that may wait. Who has not read that many will not miss one more. */
const mostPending = 100

/**
 * Sends what a service manager understands: `READY=1`, `STATUS=...`, and what else sd_notify(3) lists.
 *
 * **When to use**: in a process that answers for others, as a supervisor does. `NodeApp.run` does all of it by itself.
 *
 * **Details**
 * - With the package `koffi` (an optional peer dependency) a message is one system call of this very process, so that
 *   `NotifyAccess=main`, systemd's default, is enough. Without it the program `systemd-notify` sends it, one process for each
 *   message, in order; unless it runs as root, the unit has to say `NotifyAccess=all` then.
 * - Paths and names in the abstract namespace (`@name`) are understood; what else there is (`vsock:`), `systemd-notify` knows.
 *
 * **Errors**: none. What cannot be sent costs one warning, which says what to do; a receiver that is slow is tried again.
 *
 * **Interruption safety**: `send` never waits, and what has not been sent does not hold the process.
 *
 * @example
 * ```ts
 * import { SdNotify } from "@quiesce/node/SdNotify"
 *
 * const manager = SdNotify.fromEnv((text) => console.error(text))
 * manager?.send(["READY=1", "STATUS=serving"])
 * ```
 */
export class SdNotify {
  readonly #address: string
  readonly #warn: (text: string) => void
  readonly #datagram: SendDatagram | undefined
  readonly #pending: Array<ReadonlyArray<string>> = []
  #busy = false
  #warned = false

  constructor(address: string, warn: (text: string) => void) {
    this.#address = address
    this.#warn = warn
    this.#datagram = /^[/@]/.test(address) ? libcDatagrams(address) : undefined
  }

  /**
   * The socket that NOTIFY_SOCKET names, if it does. The variable is taken out of `process.env`: a child process that speaks
   * there would be taken for this one.
   */
  static fromEnv(warn: (text: string) => void): SdNotify | undefined {
    const address = process.env["NOTIFY_SOCKET"]
    delete process.env["NOTIFY_SOCKET"]
    return address === undefined || address === "" ? undefined : new SdNotify(address, warn)
  }

  /** One message of lines `KEY=VALUE`. */
  send(lines: ReadonlyArray<string>): void {
    if (this.#pending.length >= mostPending) return
    this.#pending.push(lines)
    if (!this.#busy) this.#next()
  }

  #next(): void {
    this.#busy = false
    for (let lines = this.#pending[0]; lines !== undefined; lines = this.#pending[0]) {
      if (this.#datagram === undefined) {
        this.#pending.shift()
        this.#busy = true
        return this.#spawn(lines)
      }
      const sent = this.#datagram(lines.join("\n"))
      if (sent === "full") {
        this.#busy = true
        setTimeout(() => this.#next(), retryMillis).unref()
        return
      }
      this.#pending.shift()
      if (sent === "failed") this.#warnOnce("nobody listens there; a proxy or a container may have left it behind")
    }
  }

  #spawn(lines: ReadonlyArray<string>): void {
    try {
      // It waits until the manager has seen the message: of a process that has gone by then systemd does not know whose it was.
      const child = spawn("systemd-notify", lines, {
        env: { ...process.env, NOTIFY_SOCKET: this.#address },
        stdio: "ignore"
      })
      child.unref()
      child.on("error", () => this.#cannot())
      child.on("exit", (code) => {
        if (code !== 0) this.#warnOnce(`systemd-notify ended with ${code}`)
        this.#next()
      })
    } catch {
      this.#cannot()
    }
  }

  /** And stays busy: what there is not now will not be there for the next message. */
  #cannot(): void {
    this.#warnOnce(
      `it takes the package koffi ("npm install koffi") or the program systemd-notify to speak to it, and neither can be used; ` +
        "until then a unit needs Type=exec and no WatchdogSec"
    )
  }

  #warnOnce(why: string): void {
    if (this.#warned) return
    this.#warned = true
    this.#warn(
      `the service manager at NOTIFY_SOCKET (${this.#address}) is not told how the application is: ${why}; the application runs on`
    )
  }
}
