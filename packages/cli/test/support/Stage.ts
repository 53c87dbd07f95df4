/**
 * A supervision without processes: lives that a test tells to be ready and to end, and a log of what was done to them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildExit } from "../../src/Control.ts"
import { Child } from "../../src/internal/Child.ts"
import { Supervision } from "../../src/internal/Supervision.ts"
import type { SupervisionOptions, Tell } from "../../src/internal/SupervisionOptions.ts"
import { backoff } from "../../src/Supervisor.ts"

class Life extends Child {
  readonly #log: Array<string>
  readonly #tell: Tell

  constructor(generation: number, startedAt: number, tell: Tell, log: Array<string>) {
    super(generation, 1000 + generation, startedAt)
    this.#log = log
    this.#tell = tell
    log.push(`start ${generation}`)
  }

  override signal(signal: NodeJS.Signals): void {
    this.#log.push(`${signal} to ${this.generation}`)
  }

  override kill(): void {
    this.#log.push(`kill ${this.generation}`)
  }

  says(lines: Readonly<Record<string, string>>): void {
    this.#tell.heard(new Map(Object.entries(lines)))
  }

  ends(exit: Partial<ChildExit>): void {
    this.exit = { code: null, signal: null, ...exit }
    this.#tell.exited(this.exit)
  }
}

export class Stage {
  readonly log: Array<string> = []
  readonly supervision: Supervision
  readonly #lives: Array<Life>

  private constructor(supervision: Supervision, log: Array<string>, lives: Array<Life>) {
    this.supervision = supervision
    this.log = log
    this.#lives = lives
  }

  static start(options: Partial<SupervisionOptions> = {}): Effect.Effect<Stage, never, Scope.Scope> {
    return Effect.gen(function* () {
      const log: Array<string> = []
      const lives: Array<Life> = []
      const supervision = yield* Supervision.make({
        name: "app",
        gracePeriod: 1000,
        readyTimeout: 5000,
        restart: { when: "on-failure", most: 5, window: Duration.minutes(1), schedule: backoff("100 millis") },
        listening: [],
        pid: 1,
        spawn: (generation, startedAt, tell) => {
          const life = new Life(generation, startedAt, tell, log)
          lives.push(life)
          return life
        },
        onStop: () => {},
        say: () => {},
        notify: (lines) =>
          void log.push(`manager: ${lines.map((line) => line.replace(/^(MONOTONIC_USEC)=.*/, "$1")).join(" ")}`),
        ...options
      })
      yield* supervision.begin
      return new Stage(supervision, log, lives)
    })
  }

  life(generation: number): Life {
    const life = this.#lives[generation - 1]
    if (life === undefined) throw new Error(`there is no generation ${generation}: ${this.log.join(", ")}`)
    return life
  }

  /** Lets everything that can happen now happen, and answers what did since the last time. */
  readonly settled: Effect.Effect<ReadonlyArray<string>> = Effect.gen({ self: this }, function* () {
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    return this.log.splice(0)
  })
}
