/**
 * Mutual exclusion by key: who comes first holds it, the others stand in line. Synchronous; it changes the line before it
 * resumes anyone.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

export interface Turn {
  readonly key: string
  /** Whether it may still come when the application drains. */
  readonly late: boolean
  /** `true` when it holds the key; `false` when it was sent away. */
  readonly ready: Deferred.Deferred<boolean>
  /** Done when it stands in line no longer: what it came for has begun, or it has given up its place. */
  readonly over: Deferred.Deferred<void>
  /** Whether what it came for has begun. */
  begun: boolean
}

export class Keys {
  /** In the order in which they came; the first of a line holds the key. */
  readonly #lines = new Map<string, Set<Turn>>()

  /** One that has not begun, and still may when the application drains. */
  get late(): Turn | undefined {
    for (const line of this.#lines.values()) for (const turn of line) if (turn.late && !turn.begun) return turn
    return undefined
  }

  lineUp(key: string, late: boolean): Turn {
    const turn: Turn = { key, late, ready: Deferred.makeUnsafe(), over: Deferred.makeUnsafe(), begun: false }
    const line = this.#lines.get(key) ?? new Set()
    this.#lines.set(key, line.add(turn))
    if (line.size === 1) Deferred.doneUnsafe(turn.ready, Effect.succeed(true))
    return turn
  }

  /** What it came for has begun. */
  begin(turn: Turn): void {
    turn.begun = true
    Deferred.doneUnsafe(turn.over, Effect.void)
  }

  /** Lets go of the key, or of the place in the line. */
  leave(turn: Turn): void {
    const line = this.#lines.get(turn.key)
    line?.delete(turn)
    const [first] = line ?? []
    if (first === undefined) this.#lines.delete(turn.key)
    // Who holds it already knows.
    else Deferred.doneUnsafe(first.ready, Effect.succeed(true))
    Deferred.doneUnsafe(turn.over, Effect.void)
  }

  /** Sends away who may not begin any more. */
  sendAway(): void {
    for (const [, ...waiting] of Array.from(this.#lines.values())) {
      for (const turn of waiting) {
        if (turn.late) continue
        this.leave(turn)
        Deferred.doneUnsafe(turn.ready, Effect.succeed(false))
      }
    }
  }
}
