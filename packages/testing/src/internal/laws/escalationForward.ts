import type { Rung } from "quiesce/Phase"
import * as Law from "../../Law.ts"
import { all, first, killed, stopBegan } from "./reading.ts"

const order = [
  "Starting",
  "Running",
  "LameDuck",
  "Draining",
  "Interrupting",
  "Releasing",
  "Flushing",
  "Stopped",
  "Exit"
]

export const escalationForward = Law.make(
  "escalation-forward",
  "1 to 5 stop signals at any instants only move forward, and the last rung always exits",
  ({ limits, timeline }, violation) => {
    let at = "Starting"
    // A reload is a part of Running, as far as going forward is concerned.
    const changes = all(timeline, "StateChanged").flatMap(({ entry, index }) => {
      const [from, to] = [entry.from, entry.to].map((state) => (state === "Reloading" ? "Running" : state))
      return from === undefined || to === undefined || from === to ? [] : [{ entry: { from, to }, index }]
    })
    const backwards = changes.flatMap(({ entry: { from, to }, index }) => {
      const wrong = from !== at || order.indexOf(to) <= order.indexOf(from)
      at = to
      return wrong ? [violation(`${from} -> ${to} is not a step forward from where it was`, index)] : []
    })
    // Skipping a state is for who escalates, and for who leaves at once.
    const skipped = changes.flatMap(({ entry: { from, to }, index }) => {
      const next = order.indexOf(to) - order.indexOf(from)
      const allowed = next === 1 || to === "Exit" || (to === "LameDuck" && from === "Starting")
      const escalated = to === "Interrupting" && first(timeline, "Escalated", ({ rung }) => rung === "Interrupt")
      return allowed || escalated ? [] : [violation(`${from} -> ${to} leaves out a state`, index)]
    })

    let last: { readonly signal: string; readonly at: number } | undefined
    const counted = all(timeline, "Signalled").filter(({ entry }) => {
      if (last !== undefined && last.signal === entry.signal && entry.at - last.at < limits.cooldown) return false
      last = entry
      return true
    })
    const requested = stopBegan(timeline)
    const expected = counted.slice(1).flatMap(({ entry, index }, position) => {
      const rung: Rung = limits.ladder[Math.min(position + 1, limits.ladder.length - 1)] ?? "Exit"
      return requested !== undefined && requested.index < index ? [{ rung, entry, index }] : []
    })
    if (killed(timeline) !== undefined) return [...backwards, ...skipped]
    const exits = expected.find(({ rung }) => rung === "Exit")
    const exited = first(timeline, "Exited")
    const stayed =
      exits !== undefined && (exited === undefined || exited.entry.at > exits.entry.at + limits.slack)
        ? [violation(`${exits.entry.signal} was the last rung, and the application stayed`, exits.index)]
        : []
    const hasEvents = first(timeline, "AppStarting") !== undefined
    const rungs = all(timeline, "Escalated").map(({ entry }) => entry.rung)
    const until = exits === undefined ? expected : expected.slice(0, expected.indexOf(exits) + 1)
    const wrong =
      hasEvents && rungs.join() !== until.map(({ rung }) => rung).join()
        ? [
            violation(
              `the rungs taken were ${rungs.join(", ") || "none"}, and the signals asked for ${until.map(({ rung }) => rung).join(", ") || "none"}`,
              ...counted.map((signal) => signal.index)
            )
          ]
        : []
    const unasked = first(timeline, "Escalated", ({ rung }) => rung === "Interrupt")
    const interrupting = first(timeline, "StateChanged", ({ to }) => to === "Interrupting")
    const ignored =
      unasked !== undefined &&
      (interrupting === undefined || interrupting.entry.at > unasked.entry.at + limits.slack) &&
      !timeline.slice(0, unasked.index).some((entry) => entry._tag === "StateChanged" && entry.to === "Interrupting") &&
      first(timeline, "StateChanged", ({ to }) => to === "Exit")?.entry.at !== unasked.entry.at
        ? [violation("it was told to interrupt what runs, and did not", unasked.index)]
        : []
    return [...backwards, ...skipped, ...stayed, ...wrong, ...ignored]
  }
)
