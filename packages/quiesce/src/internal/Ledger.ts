/**
 * The account of every layer that is built: what was acquired, who holds it, and its release under a budget.
 *
 * Effect's scopes say when a layer is let go of; the ledger counts, adds the claims that services imply, and never lets a
 * finalizer hold the others up for longer than its budget.
 *
 * Invariants, each a test of that name:
 * 1. `released-once`: a node's scope is closed exactly once.
 * 2. `reverse-order`: it is closed only when everything that was built with it is settled (stopped or abandoned).
 * 3. `isolation`: a finalizer that hangs, dies or fails keeps no other from running.
 * 4. `bounded`: a node is settled at most its stop timeout (plus leases) after its release began, and always before the limit.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { PlanNode } from "../Plan.ts"
import { between } from "./analysis.ts"
import { Announcements } from "./Announcements.ts"
import { ComponentNode, type Hold } from "./ComponentNode.ts"
import { describe } from "./describe.ts"
import { graphOf } from "./graphOf.ts"
import type { Kernel } from "./Kernel.ts"
import * as Names from "./names.ts"
import { lookup } from "./policy.ts"
import { Providers } from "./Providers.ts"
import { hasAcquired, hasAcquiredItself, watchScope } from "./watchScope.ts"

export class Ledger {
  readonly root: ComponentNode
  readonly announcements: Announcements
  readonly #kernel: Kernel
  readonly #byLayer = new Map<Layer.Any, ComponentNode>()
  readonly #layers = new Map<ComponentNode, Layer.Any>()
  readonly #providers = new Providers()
  readonly #unsettled = new Set<ComponentNode>()
  readonly #taken = new Map<string, number>()
  #nextId = 0
  #stopping = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.announcements = new Announcements(kernel)
    this.root = this.#make(undefined, undefined, [])
    this.root.announced = true
    this.root.name = "the application itself"
  }

  /** Every component that is not settled, for status and progress. */
  get components(): ReadonlyArray<ComponentNode> {
    return Array.from(this.#unsettled).filter((node) => node !== this.root && !node.isComposition && !node.empty)
  }

  /** The application itself and everything else that is not settled, as a plan sees it. */
  get graph(): ReadonlyArray<PlanNode> {
    return graphOf(this.#unsettled, this.#kernel.stopTimeout)
  }

  find(layer: Layer.Any): ComponentNode | undefined {
    return this.#byLayer.get(layer)
  }

  hold(node: ComponentNode, borrower?: ComponentNode): Hold {
    node.holders++
    const hold: Hold = { node, borrower, held: true }
    borrower?.loans.add(hold)
    return hold
  }

  // --- start ----------------------------------------------------------------------------------------------------------

  /** `shared`: whoever asks for this layer again gets this node. */
  start(layer: Layer.Any, owner: ComponentNode, context: Context.Context<never>, shared: boolean): ComponentNode {
    // One that begins beside a rollback does not end it.
    if (this.#stopping === 0) this.#kernel.rollback(false)
    const node = this.#make(owner, layer, this.#providers.inSight(context))
    node.holds.push(...node.builtWith.map((dependency) => this.hold(dependency)))
    const named = node.named ?? owner.named
    if (named !== undefined) {
      node.name = named.name
      node.policy = named.policy
    }
    if (shared) this.#byLayer.set(layer, node)
    this.#layers.set(node, layer)
    watchScope(node.scope, (exit) => this.#backgroundEnded(node, exit))
    this.announcements.add(node)
    return node
  }

  /** Nothing more is built as a part of the application itself. */
  built(succeeded: boolean): void {
    if (this.root.state === "Starting") this.#move(this.root, succeeded ? "Running" : "Failed")
  }

  started(node: ComponentNode, exit: Exit.Exit<Context.Context<never>, unknown>): void {
    node.failed = Exit.isFailure(exit)
    this.#announce(node, exit)
    // Left behind while it was starting: its resources were released by its closed scope as they were acquired. What it
    // failed with nobody else will tell.
    const leftBehind = node.state !== "Starting"
    if (leftBehind && (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause))) return
    if (!leftBehind) this.#move(node, Exit.isSuccess(exit) ? "Running" : "Failed")
    if (Exit.isFailure(exit)) {
      if (!node.announced) return
      // It will never be known by its services: then it is the part of what was named that could not start.
      node.name = node.nearestName ?? node.name
      const interrupted = Cause.hasInterruptsOnly(exit.cause)
      return this.#kernel.emit(
        { _tag: "ComponentStartFailed", ...this.#event(node), interrupted, message: describe(exit.cause) },
        // An expected error says in its message what to do; only a defect needs its stack.
        Cause.hasDies(exit.cause) ? exit.cause : undefined
      )
    }
    if (node.announced) {
      const services = Names.publicKeys(exit.value.mapUnsafe.keys())
      // `Component.make` asks for exactly one layer: where that one is a component, the name is its own at once.
      const named = Names.isUnwrap(exit.value.mapUnsafe) ? undefined : (node.named ?? node.parent?.named)
      node.empty = named === undefined && services.length === 0 && !hasAcquired(node.scope)
      if (named !== undefined) this.#christen(node, named.name)
      else if (!node.empty) node.name = Names.unique(this.#taken, Names.fromServices(services) ?? node.name)
      this.#providers.own(node, exit.value)
      this.#kernel.emit({ _tag: "ComponentStarted", ...this.#event(node), services, empty: node.empty })
    }
    if (node.named !== undefined) this.#nameHeads(node, node.named.name)
  }

  #announce(node: ComponentNode, exit?: Exit.Exit<Context.Context<never>, unknown>): void {
    if (node.isComposition && !this.#hasOwn(node, exit)) this.announcements.withdraw(node)
    else this.announcements.make(node)
  }

  /** Whether it has acquired, provides or failed with anything that is not its parts'. */
  #hasOwn(node: ComponentNode, exit: Exit.Exit<Context.Context<never>, unknown> | undefined): boolean {
    if (hasAcquiredItself(node.scope)) return true
    if (exit === undefined) return false
    if (Exit.isSuccess(exit)) return !this.#providers.knows(exit.value, Names.publicKeys(exit.value.mapUnsafe.keys()))
    return !Cause.hasInterruptsOnly(exit.cause) && !node.parts.some((part) => part.hold.node.failed)
  }

  #nameHeads(node: ComponentNode, name: string): void {
    const heads = node.heads.filter((head) => head.announced && !head.christened)
    for (const head of heads) {
      head.policy = node.policy
      this.#christen(head, heads.length === 1 ? name : `${name}/${head.name}`)
      this.#kernel.emit({ _tag: "ComponentNamed", ...this.#event(head) })
    }
  }

  #christen(node: ComponentNode, name: string): void {
    node.christened = true
    node.name = Names.unique(this.#taken, name)
  }

  #backgroundEnded(node: ComponentNode, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
    // Who forks is a component.
    this.announcements.make(node)
    const policy = node.policy.onBackgroundFailure ?? "stop"
    const message = describe(exit.cause)
    this.#kernel.emit({ _tag: "BackgroundFailed", ...this.#event(node), message, policy }, exit.cause)
    if (policy === "stop") {
      this.#kernel.requestStop({ _tag: "ComponentFailed", component: node.name, message })
    }
  }

  // --- release --------------------------------------------------------------------------------------------------------

  /** Lets go of a claim; the last one releases the node, and then this waits until it is settled. */
  letGo(hold: Hold, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#letGo(hold, exit)
      return hold.node.holders === 0 ? Deferred.await(hold.node.closed) : Effect.void
    })
  }

  /** Closes the root and waits until every node is settled; what no scope let go of is released as well. */
  releaseAll(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (this.root.state !== "Stopping") this.#release(this.root, Exit.void)
      while (true) {
        const open = Array.from(this.#unsettled)
        if (open.length === 0) return
        const stopping = open.find((node) => node.state === "Stopping")
        if (stopping !== undefined) yield* Deferred.await(stopping.closed)
        else for (const node of open) if (!open.some((other) => other.uses(node))) this.#release(node, Exit.void)
      }
    })
  }

  /** Grants a component more time for its release. */
  extend(node: ComponentNode, millis: number): boolean {
    if (node.state !== "Stopping") return false
    node.lease += millis
    return true
  }

  #letGo(hold: Hold, exit: Exit.Exit<unknown, unknown>): void {
    if (!hold.held) return
    hold.held = false
    hold.borrower?.loans.delete(hold)
    hold.node.holders--
    if (hold.node.holders === 0) this.#release(hold.node, exit)
  }

  #release(node: ComponentNode, exit: Exit.Exit<unknown, unknown>): void {
    if (node.state === "Stopping" || node.isSettled) return
    this.#announce(node)
    if (Exit.isFailure(exit) && !node.isInside) this.#kernel.rollback(true)
    const before = node.state
    this.#stopping++
    this.#move(node, "Stopping")
    // A start that failed and had acquired nothing has nothing to release.
    const idle = before === "Failed" || node.empty
    const visible = node.announced && node !== this.root && (!idle || hasAcquired(node.scope))
    if (visible) this.#kernel.emit({ _tag: "ComponentStopping", ...this.#event(node) })
    this.#kernel.fork(this.#close(node, exit, before === "Starting", visible))
  }

  #close(
    node: ComponentNode,
    exit: Exit.Exit<unknown, unknown>,
    wasStarting: boolean,
    visible: boolean
  ): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const closer = this.#kernel.fork(Scope.close(node.scope, exit))
      const over = yield* this.#within(node, closer)
      const unfinishedStart = wasStarting && !Deferred.isDoneUnsafe(node.built)
      if (over !== undefined || (unfinishedStart && visible))
        return this.#abandon(node, closer, exit, unfinishedStart || over === undefined ? "start" : over)
      const failure = failureOf(closer.pollUnsafe())
      if (visible || failure !== undefined) {
        this.#kernel.emit({ _tag: "ComponentStopped", ...this.#event(node), ...failed(failure) }, failure)
      }
      this.#settle(node, "Stopped", exit)
    })
  }

  #abandon(
    node: ComponentNode,
    closer: Fiber.Fiber<void>,
    exit: Exit.Exit<unknown, unknown>,
    limit: "start" | "gracePeriod" | "stopTimeout"
  ): void {
    if (!node.announced) node.name = `composition of ${node.heads.map((head) => head.name).join(", ")}`
    this.#kernel.emit({
      _tag: "ComponentAbandoned",
      ...this.#event(node),
      limit,
      after: between(node.since, this.#kernel.now())
    })
    for (const release of Array.from(node.releases)) release.leave()
    // First the state, then anything that may resume a fiber.
    this.#settle(node, "Abandoned", exit)
    closer.addObserver((late) => {
      const failure = failureOf(late)
      // Where the start itself never ended there is no release to hear of, but what failed with it.
      if (limit === "start" && failure === undefined) return
      this.#kernel.emit({ _tag: "ComponentStoppedLate", ...this.#event(node), ...failed(failure) }, failure)
    })
    if (limit !== "start") closer.interruptUnsafe()
  }

  /** The limit that came before the end of the closing, if one did. A composition's own budget runs only while no part is closing. */
  #within(node: ComponentNode, closer: Fiber.Fiber<void>): Effect.Effect<"gracePeriod" | "stopTimeout" | undefined> {
    return Effect.gen({ self: this }, function* () {
      const stopTimeout = node.stopTimeout ?? this.#kernel.stopTimeout
      while (closer.pollUnsafe() === undefined) {
        const busy = node.parts.find((part) => part.hold.node.state === "Stopping")
        if (busy !== undefined) {
          yield* Effect.raceFirst(Fiber.await(closer), Deferred.await(busy.hold.node.closed))
          continue
        }
        const spent = this.#kernel.now() - Math.max(node.since, node.lastMoved)
        // What is less than a microsecond is noise, and some clocks do not move for it.
        const left = between(0, Math.min(stopTimeout + node.lease - spent, this.#kernel.releaseRemaining()))
        // Decided in this step: a stop that begins in this very instant has a deadline of its own.
        if (left <= 0) return this.#kernel.releaseRemaining() <= 0 ? "gracePeriod" : "stopTimeout"
        const moved = Deferred.await(this.#kernel.limitMoved())
        yield* Effect.raceAllFirst([Fiber.await(closer), Effect.sleep(left), moved])
      }
      return undefined
    })
  }

  #settle(node: ComponentNode, state: "Stopped" | "Abandoned", exit: Exit.Exit<unknown, unknown>): void {
    this.#stopping--
    this.#move(node, state)
    this.#unsettled.delete(node)
    const layer = this.#layers.get(node)
    if (layer !== undefined && this.#byLayer.get(layer) === node) this.#byLayer.delete(layer)
    this.#layers.delete(node)
    this.#providers.disown(node)
    // Abandoned, it still owes the release of its parts, in reverse order.
    if (node.parts.length > 0)
      this.#kernel.fork(this.#letGoInOrder(node.parts.map((part) => part.hold).toReversed(), exit))
    for (const hold of [...node.holds, ...node.loans]) this.#letGo(hold, exit)
    Deferred.doneUnsafe(node.closed, Effect.void)
  }

  #letGoInOrder(holds: ReadonlyArray<Hold>, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.forEach(holds, (hold) => (hold.held ? this.letGo(hold, exit) : Effect.void), { discard: true })
  }

  // --- shared ---------------------------------------------------------------------------------------------------------

  #make(
    parent: ComponentNode | undefined,
    layer: Layer.Any | undefined,
    builtWith: ReadonlyArray<ComponentNode>
  ): ComponentNode {
    const id = this.#nextId++
    const named = layer === undefined ? undefined : lookup(layer)
    const node = new ComponentNode({
      ledger: this,
      id,
      name: `layer#${id}`,
      parent,
      named,
      builtWith,
      now: this.#kernel.now()
    })
    this.#unsettled.add(node)
    return node
  }

  #move(node: ComponentNode, state: ComponentNode["state"]): void {
    node.state = state
    node.since = this.#kernel.now()
    for (let at: ComponentNode | undefined = node; at !== undefined; at = at.parent) at.lastMoved = node.since
  }

  #event(node: ComponentNode): { readonly at: number; readonly id: number; readonly name: string } {
    return { at: this.#kernel.now(), id: node.id, name: node.name }
  }
}

const failed = (cause: Cause.Cause<unknown> | undefined): { readonly failure?: string } =>
  cause === undefined ? {} : { failure: describe(cause) }

const failureOf = (exit: Exit.Exit<unknown, unknown> | undefined): Cause.Cause<unknown> | undefined =>
  exit !== undefined && Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause) ? exit.cause : undefined
