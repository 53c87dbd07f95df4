/**
 * Which faults of a plan really happened in a life, and from where to where in its timeline: what a plan holds in store need
 * not come about.
 */
import type { Behaviour } from "../Behaviour.ts"
import type { Fault } from "../Coverage.ts"
import type { Part } from "../Part.ts"
import type { Plan } from "../Plan.ts"
import type { Node } from "../Program.ts"
import type { Entry, Timeline } from "../Timeline.ts"

/** The places of its first and its last entry. */
export interface Met {
  readonly fault: Fault
  readonly from: number
  readonly to: number
}

/** Milliseconds from which on a step is called slow. */
const slow = 300

export const faultsMet = ({ program }: Plan, timeline: Timeline): ReadonlyArray<Met> =>
  timeline.flatMap((entry, from): ReadonlyArray<Met> => {
    const until = (ends: (other: Entry) => boolean, since = from): number => {
      const found = timeline.findIndex((other, index) => index > since && ends(other))
      return found < 0 ? timeline.length - 1 : found
    }
    switch (entry._tag) {
      case "Blocked":
        return [{ fault: "blocks", from, to: from }]
      case "Acquiring": {
        const { component } = entry
        const to = until((other) => endsAcquisition(other, component))
        return during(at(program.nodes, component)?.node.acquire, timeline, from, to)
      }
      case "Releasing": {
        const { component } = entry
        const to = until((other) => other._tag === "Released" && other.component === component)
        return during(at(program.nodes, component)?.node.release, timeline, from, to)
      }
      case "HookRan": {
        const [self = "", kind] = entry.hook.split("/")
        const part = at(program.nodes, self)?.part
        const to = until((other) => other._tag === "HookEnded" && other.hook === entry.hook)
        return part?._tag === "Hook" && part.on === kind ? during(part.behaviour, timeline, from, to) : []
      }
      case "Acquired": {
        const { component } = entry
        const to = until((other) => other._tag === "Releasing" && other.component === component)
        return (at(program.nodes, component)?.node.parts ?? []).flatMap((part) => {
          const begins = part._tag === "Background" ? beginOf(part, timeline, from) : -1
          return part._tag === "Background" && begins >= 0 && begins <= to
            ? during(part.behaviour, timeline, begins, to)
            : []
        })
      }
      case "Failed": {
        const self = entry.message.slice(0, entry.message.indexOf(":"))
        const fault = failureOf(at(program.nodes, self), entry.message)
        return fault === undefined ? [] : [{ fault, from, to: from }]
      }
      default:
        return []
    }
  })

const endsAcquisition = (entry: Entry, component: string): boolean => {
  switch (entry._tag) {
    case "Acquired":
      return entry.component === component
    case "Failed":
      return entry.message.startsWith(`${component}: acquire`)
    case "ComponentStartFailed":
      return entry.name === component
    default:
      return false
  }
}

/** What shows while a step is going on; how it ends shows when it does. */
const during = (behaviour: Behaviour | undefined, timeline: Timeline, from: number, to: number): ReadonlyArray<Met> => {
  if (behaviour === undefined) return []
  const { after, blocks, end, masked } = behaviour
  const lasted = (timeline[to]?.at ?? 0) - (timeline[from]?.at ?? 0)
  const found: Array<Fault> = []
  if (end === "hang") found.push("hangs")
  if (masked && (after > 0 || end === "hang")) found.push("ignores interruption")
  if (!blocks && after >= slow && lasted >= slow) found.push("slow")
  return found.map((fault) => ({ fault, from, to }))
}

interface Place {
  readonly node: Node
  readonly part: Part | undefined
}

/** What stands behind a name: `c3~2.1` is the second part of an instance of the fourth node. */
const at = (nodes: ReadonlyArray<Node>, self: string): Place | undefined => {
  const [, place, part = "0"] = /^c(\d+)(?:~\d+)?(?:\.(\d+))?$/.exec(self) ?? []
  const node = nodes[Number(place)]
  return node === undefined ? undefined : { node, part: node.parts[Number(part)] }
}

/** Where background work begins, or -1. */
const beginOf = ({ when = 0 }: Extract<Part, { _tag: "Background" }>, timeline: Timeline, acquired: number): number => {
  if (typeof when === "number") {
    const due = (timeline[acquired]?.at ?? 0) + when
    return timeline.findIndex((entry, index) => index >= acquired && entry.at >= due)
  }
  const states = when === "lameDuck" ? ["LameDuck"] : ["Draining", "Interrupting"]
  return timeline.findIndex((entry) => entry._tag === "StateChanged" && states.includes(entry.to))
}

const failureOf = (place: Place | undefined, message: string): Fault | undefined => {
  if (place === undefined) return undefined
  const { node, part } = place
  const behaviour = message.includes(": acquire failed")
    ? node.acquire
    : message.includes(": release failed")
      ? node.release
      : part !== undefined && "behaviour" in part
        ? part.behaviour
        : undefined
  return behaviour?.end === "fail" ? "fails" : behaviour?.end === "die" ? "dies" : undefined
}
