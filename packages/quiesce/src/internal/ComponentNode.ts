/**
 * One memoized layer of the application, as the ledger knows it: its place in the composition, what it was built with, who
 * still holds it, and how far its life has got.
 *
 * A layer that builds other layers is a composition (`mergeAll`, `provide`, ...): plumbing that orders its parts and is
 * named nowhere. A layer that builds none is a component of the report.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Scope from "effect/Scope"
import type { Ledger } from "./Ledger.ts"
import type { Named } from "./policy.ts"
import type { Release } from "./Release.ts"

export type ComponentState = "Starting" | "Running" | "Failed" | "Stopping" | "Stopped" | "Abandoned"

/** One holder's claim on a node; it counts until it is let go, once. */
export interface Hold {
  readonly node: ComponentNode
  /** Whose code has borrowed it, to build something at run time. */
  readonly borrower: ComponentNode | undefined
  held: boolean
}

export class ComponentNode {
  readonly ledger: Ledger
  readonly id: number
  readonly parent: ComponentNode | undefined
  /** What `Component.make` says of this very layer. */
  readonly named: Named | undefined
  /** The services' owners in sight when it was built, without those that another of them was built with. */
  readonly builtWith: ReadonlyArray<ComponentNode>
  /** Everything reachable through `builtWith`. */
  readonly closure: ReadonlySet<ComponentNode>
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  readonly built: Deferred.Deferred<Context.Context<never>, unknown> = Deferred.makeUnsafe()
  /** Done when it is stopped or abandoned; never fails. */
  readonly closed: Deferred.Deferred<void> = Deferred.makeUnsafe()

  name: string
  state: ComponentState = "Starting"
  since: number
  /** The policy that applies to it: its own, or that of the `Component.make` whose head it is. */
  policy: Named["policy"]
  holders = 0
  /** Its claims on the parts it built and on what it was built with; let go when it has closed. */
  readonly holds: Array<Hold> = []
  /** Its claims on what it has borrowed at run time; let go by the code that did, or when it has closed. */
  readonly loans = new Set<Hold>()
  /** What it has registered at run time and has not released. */
  readonly releases = new Set<Release>()
  readonly parts: Array<{ readonly hold: Hold; readonly parallel: boolean }> = []
  /** Whether the event log knows it. */
  announced = false
  /** Whether it neither provides nor has acquired anything, as the effect of a `Layer.unwrap`. */
  empty = false
  /** Whether its start did. */
  failed = false
  /** Whether its name is final. */
  christened = false
  /** When it, or something below it, last moved: the clock of a composition's own finalizers. */
  lastMoved = 0
  /** Milliseconds granted beyond its stop timeout. */
  lease = 0

  constructor(options: {
    readonly ledger: Ledger
    readonly id: number
    readonly name: string
    readonly parent: ComponentNode | undefined
    readonly named: Named | undefined
    readonly builtWith: ReadonlyArray<ComponentNode>
    readonly now: number
  }) {
    this.ledger = options.ledger
    this.id = options.id
    this.name = options.name
    this.parent = options.parent
    this.named = options.named
    this.policy = options.named?.policy ?? {}
    this.builtWith = options.builtWith
    this.closure = new Set(options.builtWith.flatMap((node) => [node, ...node.closure]))
    this.since = options.now
  }

  /** A component that the log knows stays one, also when it builds others while it runs. */
  get isComposition(): boolean {
    return this.parts.length > 0 && !this.announced
  }

  /** Whether a component built it for itself and is still starting: what ends there, or fails, need not end the start. */
  get isInside(): boolean {
    // The last one is the application itself.
    for (let at = this.parent; at?.parent !== undefined; at = at.parent) {
      if (at.announced && at.state === "Starting") return true
    }
    return false
  }

  /** The name that it, or what it is a part of, was given. */
  get nearestName(): string | undefined {
    return this.named?.name ?? this.parent?.nearestName
  }

  /** Its own, in milliseconds. */
  get stopTimeout(): number | undefined {
    return this.policy.stopTimeout === undefined ? undefined : Duration.toMillis(this.policy.stopTimeout)
  }

  /** Whether it was built with that one, has borrowed it, or is to let go of it as its part. */
  uses(node: ComponentNode): boolean {
    const holds = [...this.loans, ...this.parts.map((part) => part.hold)]
    return this.builtWith.includes(node) || holds.some((hold) => hold.held && hold.node === node)
  }

  get isSettled(): boolean {
    return this.state === "Stopped" || this.state === "Abandoned"
  }

  /**
   * The components that a name given to this layer is meant for: itself, or of a composition its last sequential part
   * (`provide` builds the dependencies first), or all parts where they are merged.
   */
  get heads(): ReadonlyArray<ComponentNode> {
    const heads = new Set<ComponentNode>()
    const seen = new Set<ComponentNode>()
    const visit = (node: ComponentNode): void => {
      // Parts are shared, so that there are far more ways than nodes.
      if (seen.has(node)) return
      seen.add(node)
      if (!node.isComposition) return void heads.add(node)
      const last = node.parts.findLast((part) => !part.parallel)
      for (const part of last === undefined ? node.parts : [last]) visit(part.hold.node)
    }
    visit(this)
    return Array.from(heads)
  }
}

/** The component that the running fiber belongs to, as far as it was forked while the component was built. */
export const CurrentComponent = Context.Reference<ComponentNode | undefined>("quiesce/internal/CurrentComponent", {
  defaultValue: () => undefined
})
