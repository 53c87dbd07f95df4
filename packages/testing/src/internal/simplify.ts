/**
 * Simpler versions of a plan, the boldest first: fewer components, fewer strikes, sounder behaviour, shorter times. Shrinking
 * by the shape of the data alone does not know that a component can go while others keep their dependencies.
 */
import * as Behaviour from "../Behaviour.ts"
import type { Part } from "../Part.ts"
import type { Budgets, Plan } from "../Plan.ts"
import type { Node } from "../Program.ts"
import { needsOf } from "./needsOf.ts"

const calm = Behaviour.make()

const plainBudgets: Budgets = {
  gracePeriod: 25_000,
  lameDuck: 0,
  drain: 10_000,
  interrupt: 5000,
  stopTimeout: 5000,
  ladder: "exit"
}

export function* simpler(plan: Plan): Generator<Plan> {
  const { budgets, program, runFor, storm } = plan
  const { nodes } = program
  for (const kept of without(nodes.length)) {
    if (kept.length > 0) yield { ...plan, program: { ...program, nodes: keep(nodes, kept) } }
  }
  for (const kept of without(storm.length)) {
    yield { ...plan, storm: kept.flatMap((at) => storm.slice(at, at + 1)) }
  }
  if (program.composition !== "merged") yield { ...plan, program: { ...program, composition: "merged" } }
  for (const [place, node] of nodes.entries()) {
    for (const other of simplerNode(node, place)) {
      yield { ...plan, program: { ...program, nodes: nodes.with(place, other) } }
    }
  }
  for (const [place, strike] of storm.entries()) {
    if (strike.kind !== "SIGTERM") yield { ...plan, storm: storm.with(place, { ...strike, kind: "SIGTERM" }) }
    const { wake, ...placed } = strike
    if (wake !== undefined) yield { ...plan, storm: storm.with(place, placed) }
    if (wake !== undefined && wake > 0) yield { ...plan, storm: storm.with(place, { ...strike, wake: 0 }) }
    const { late, ...prompt } = strike
    if (late !== undefined) yield { ...plan, storm: storm.with(place, prompt) }
    if (strike.fraction !== 0) yield { ...plan, storm: storm.with(place, { ...strike, fraction: 0 }) }
  }
  for (const key of ["gracePeriod", "lameDuck", "drain", "interrupt", "stopTimeout", "ladder"] as const) {
    if (budgets[key] !== plainBudgets[key]) yield { ...plan, budgets: { ...budgets, [key]: plainBudgets[key] } }
  }
  if (runFor !== 1000) yield { ...plan, runFor: 1000 }
}

/** The places that are left when blocks of them go: halves, quarters, ..., single ones. */
function* without(length: number): Generator<ReadonlyArray<number>> {
  const places = Array.from({ length }, (_, place) => place)
  for (let size = Math.ceil(length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < length; from += size) yield places.filter((at) => at < from || at >= from + size)
  }
}

/** The nodes at these places; who needed one that goes needs what that one needed. */
const keep = (nodes: ReadonlyArray<Node>, kept: ReadonlyArray<number>): ReadonlyArray<Node> => {
  const newPlace = new Map(kept.map((place, index) => [place, index]))
  const bridged = (place: number): ReadonlyArray<number> => {
    const node = nodes[place]
    if (node === undefined) return []
    return needsOf(node, place).flatMap((need) => {
      const at = newPlace.get(need)
      return at === undefined ? bridged(need) : [at]
    })
  }
  return kept.flatMap((place) =>
    nodes.slice(place, place + 1).map((node) => ({ ...node, needs: Array.from(new Set(bridged(place))) }))
  )
}

function* simplerNode(node: Node, place: number): Generator<Node> {
  const needs = needsOf(node, place)
  if (node.parts.length > 0) yield { ...node, parts: [] }
  if (needs.length > 0) yield { ...node, needs: [] }
  if (node.inside > 0) yield { ...node, inside: 0 }
  if (node.fresh) yield { ...node, fresh: false }
  if (node.optional === true) yield { ...node, optional: false }
  for (const acquire of simplerBehaviour(node.acquire)) yield { ...node, acquire }
  for (const release of simplerBehaviour(node.release)) yield { ...node, release }
  if (node.stopTimeout !== null) yield { ...node, stopTimeout: null }
  if (node.onBackgroundFailure !== "stop") yield { ...node, onBackgroundFailure: "stop" }
  if (needs.length > 1) for (const at of needs.keys()) yield { ...node, needs: needs.toSpliced(at, 1) }
  if (node.parts.length > 1) for (const at of node.parts.keys()) yield { ...node, parts: node.parts.toSpliced(at, 1) }
  for (const [at, part] of node.parts.entries()) {
    for (const other of simplerPart(part)) yield { ...node, parts: node.parts.with(at, other) }
  }
}

function* simplerBehaviour(behaviour: Behaviour.Behaviour): Generator<Behaviour.Behaviour> {
  const { after, blocks, end, masked } = behaviour
  if (end === "return" && after === 0 && !masked && !blocks) return
  yield calm
  if (masked) yield { ...behaviour, masked: false }
  if (blocks) yield { ...behaviour, blocks: false }
  if (after > 0) yield { ...behaviour, after: 0 }
  if (end === "die") yield { ...behaviour, end: "fail" }
}

function* simplerGate(part: Extract<Part, { _tag: "Requests" }>): Generator<Part> {
  const { capacity, ...unlimited } = part
  const { kinds, ...alike } = part
  const { patience, ...patient } = part
  const { whenFull, ...waiting } = part
  if (capacity !== undefined) yield unlimited
  if (kinds !== undefined) yield alike
  if (patience !== undefined) yield patient
  if (whenFull !== undefined) yield waiting
  if (capacity !== undefined && capacity > 1) yield { ...part, capacity: 1 }
}

function* simplerPart(part: Part): Generator<Part> {
  switch (part._tag) {
    case "Requests":
      if (part.count > 1) yield { ...part, count: 1 }
      if (part.every !== 0) yield { ...part, every: 0 }
      if (part.masked) yield { ...part, masked: false }
      if (part.takes !== 0) yield { ...part, takes: 0 }
      if (part.when !== 0) yield { ...part, when: 0 }
      yield* simplerGate(part)
      break
    case "Section": {
      const { key, ...keyless } = part
      const { patience, ...patient } = part
      if (key !== undefined) yield keyless
      if (patience !== undefined) yield patient
      if (part.masked) yield { ...part, masked: false }
      if (part.takes !== 0) yield { ...part, takes: 0 }
      if (part.when !== 0) yield { ...part, when: 0 }
      if (part.allowDuringStop) yield { ...part, allowDuringStop: false }
      if (part.fails === true) yield { ...part, fails: false }
      break
    }
    case "Task":
      if (part.restarts > 0) yield { ...part, restarts: 0 }
      if (part.cleanup > 0) yield { ...part, cleanup: 0 }
      if (part.priority !== 0) yield { ...part, priority: 0 }
      if (part.onStop !== "interrupt") yield { ...part, onStop: "interrupt" }
      for (const behaviour of simplerBehaviour(part.behaviour)) yield { ...part, behaviour }
      break
    case "Reloads":
      if (part.count > 1) yield { ...part, count: 1 }
      if (part.when !== 0) yield { ...part, when: 0 }
      if (part.every !== 0) yield { ...part, every: 0 }
      for (const behaviour of simplerBehaviour(part.behaviour)) yield { ...part, behaviour }
      break
    case "Worker": {
      const { claims, ...queued } = part
      if (claims !== undefined) yield queued
      if (part.count > 1) yield { ...part, count: 1 }
      if (part.concurrency > 1) yield { ...part, concurrency: 1 }
      if (part.every !== 0) yield { ...part, every: 0 }
      if (part.masked) yield { ...part, masked: false }
      if (part.takes !== 0) yield { ...part, takes: 0 }
      if (part.poisoned !== -1) yield { ...part, poisoned: -1 }
      break
    }
    case "Background":
    case "Hook":
      for (const behaviour of simplerBehaviour(part.behaviour)) yield { ...part, behaviour }
      break
    default:
      break
  }
}
