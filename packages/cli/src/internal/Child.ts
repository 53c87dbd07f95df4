/**
 * One life of the application: its process, the group that it leads, and what it has told.
 */
import type { AppState } from "quiesce/Phase"
import { Event } from "quiesce/Event"
import { Plan } from "quiesce/Plan"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ChildExit, ChildStatus } from "../Control.ts"
import type { Message } from "./NotifyReader.ts"
import { signalGroup, signalProcess } from "./processGroup.ts"

const decodeEvent = Schema.decodeUnknownOption(Schema.fromJsonString(Event))
const decodePlan = Schema.decodeUnknownOption(Schema.fromJsonString(Plan))

export class Child {
  readonly generation: number
  /** Undefined when there is no process, because it could not be started. */
  readonly pid: number | undefined
  readonly startedAt: number
  state: AppState | undefined
  plan: Plan | undefined
  /** What it says of itself, for people. */
  text: string | undefined
  /** Milliseconds, as the application has told. */
  gracePeriod: number | undefined
  isReady = false
  exit: ChildExit | undefined
  /** Whether its time to end is running. */
  hasDeadline = false

  constructor(generation: number, pid: number | undefined, startedAt: number) {
    this.generation = generation
    this.pid = pid
    this.startedAt = startedAt
  }

  signal(signal: NodeJS.Signals): void {
    if (this.pid !== undefined && this.exit === undefined) signalProcess(this.pid, signal)
  }

  /** With everything that it has started, unless that has left the group. */
  kill(): void {
    if (this.pid !== undefined) signalGroup(this.pid, "SIGKILL")
  }

  /** What is not understood, because the application is of another version, is left out. */
  hear(message: Message): void {
    if (message.get("READY") === "1") this.isReady = true
    this.text = message.get("STATUS") ?? this.text
    const event = Option.getOrUndefined(decodeEvent(message.get("X_QUIESCE_EVENT")))
    if (event?._tag === "AppStarting") {
      this.state = "Starting"
      this.gracePeriod = event.gracePeriod
    } else if (event?._tag === "StateChanged") this.state = event.to
    this.plan = Option.getOrElse(decodePlan(message.get("X_QUIESCE_PLAN")), () => this.plan)
  }

  status(now: number): ChildStatus {
    return {
      pid: this.pid ?? 0,
      generation: this.generation,
      uptime: now - this.startedAt,
      state: this.state ?? null,
      ready: this.isReady,
      text: this.text ?? null
    }
  }

  /** For log lines. */
  get label(): string {
    return `generation ${this.generation} (pid ${this.pid ?? "none"})`
  }
}

export const describeExit = ({ code, signal }: ChildExit): string =>
  signal === null ? `exit code ${code}` : `killed by ${signal}`
