/** The state machine, searched exhaustively: every reachable phase, every input, several ladders. */
import { describe, expect, it } from "@effect/vitest"
import * as Phase from "quiesce/Phase"
import * as StopReason from "quiesce/StopReason"

type Step = typeof Phase.step

interface Edge {
  readonly from: Phase.Phase
  readonly input: Phase.Input
  readonly to: Phase.Phase
  readonly commands: ReadonlyArray<Phase.Command>
}

type Check = (step: Step, ladder: Phase.Ladder) => ReadonlyArray<string>

const inputs: ReadonlyArray<Phase.Input> = [
  { _tag: "Built" },
  { _tag: "BuildFailed", message: "port taken", code: undefined },
  { _tag: "BuildFailed", message: "no such option", code: 78 },
  { _tag: "ReloadBegan" },
  { _tag: "ReloadEnded" },
  { _tag: "StopRequested", reason: StopReason.requested("admin") },
  { _tag: "StopRequested", reason: StopReason.finished },
  { _tag: "Signalled", signal: "SIGTERM" },
  { _tag: "Signalled", signal: "SIGINT" },
  ...Phase.stopStates.map((state) => ({ _tag: "Done", state }) as const),
  { _tag: "DeadlineReached" },
  { _tag: "Leaving", reason: { _tag: "Crash", kind: "processExit", message: "somebody called process.exit(0)" } }
]

const ladders: ReadonlyArray<Phase.Ladder> = [
  Phase.defaultLadder,
  ["Graceful", "Interrupt", "Exit"],
  ["Graceful", "Graceful", "Interrupt", "Interrupt", "Exit"],
  ["Graceful", "Exit", "Exit"]
]

const position = (state: Phase.AppState): number => Phase.AppState.literals.indexOf(state)

const isTerminal = (phase: Phase.Phase): boolean => phase.state === "Stopped" || phase.state === "Exit"

const show = (phase: Phase.Phase): string =>
  `${phase.state} after ${phase.signals} signals because of ${phase.reason?._tag}`

const say = (edge: Edge, what: string): string => `${what}: ${show(edge.from)}, ${edge.input._tag} -> ${show(edge.to)}`

/** Signals beyond the ladder's last rung all do the same: phases that differ only there are one. */
const keyOf = (phase: Phase.Phase, ladder: Phase.Ladder): string =>
  JSON.stringify([phase.state, phase.reason, Math.min(phase.signals, ladder.length + 1)])

const search = (step: Step, ladder: Phase.Ladder) => {
  const phases = new Map([[keyOf(Phase.initial, ladder), Phase.initial]])
  const edges: Array<Edge> = []
  for (const from of phases.values()) {
    for (const input of inputs) {
      const [to, commands] = step(from, input, ladder)
      edges.push({ from, input, to, commands })
      const key = keyOf(to, ladder)
      if (!phases.has(key)) phases.set(key, to)
    }
  }
  return { phases: Array.from(phases.values()), edges }
}

const onEdges =
  (violation: (edge: Edge) => string | undefined): Check =>
  (step, ladder) =>
    search(step, ladder).edges.flatMap((edge) => {
      const what = violation(edge)
      return what === undefined ? [] : [say(edge, what)]
    })

/** The one way back. */
const isReloaded = ({ from, to }: Edge): boolean => from.state === "Reloading" && to.state === "Running"

const neverBackwards = onEdges((edge) =>
  position(edge.to.state) < position(edge.from.state) && !isReloaded(edge) ? "went backwards" : undefined
)

const neverTwice = onEdges((edge) => {
  const { commands, from, to } = edge
  const entered = commands.filter((command) => command._tag === "Enter").map((command) => command.state)
  if (entered.length > 1) return "entered more than one state"
  const [state] = entered
  if (state !== undefined && state !== to.state) return `entered ${state}`
  return state !== undefined && position(state) <= position(from.state) && !isReloaded(edge)
    ? `entered ${state} again`
    : undefined
})

/** What a reload does and does not: its states are one for everything else. */
const reloadIsNoStop = onEdges(({ commands, from, input, to }) => {
  if (input._tag === "ReloadBegan" || input._tag === "ReloadEnded") {
    const [before, after] = input._tag === "ReloadBegan" ? ["Running", "Reloading"] : ["Reloading", "Running"]
    return from.state !== before
      ? to === from && commands.length === 0
        ? undefined
        : "a reload changed what is no state of it"
      : to.state === after && to.reason === undefined && to.signals === from.signals && commands.length === 1
        ? undefined
        : `${before} did not become ${after} and nothing else`
  }
  if (from.state !== "Reloading") return undefined
  const meant = Phase.step({ ...from, state: "Running" }, input)
  const expected = meant[0].state === "Running" ? from.state : meant[0].state
  return to.state === expected && JSON.stringify(commands) === JSON.stringify(meant[1])
    ? undefined
    : "means something else while reloading than while running"
})

/** What the engine does when nobody disturbs it: the work of each state ends. */
const workDone = (phase: Phase.Phase): Phase.Input | undefined => {
  if (phase.state === "Starting") return { _tag: "Built" }
  if (phase.state === "Reloading") return { _tag: "ReloadEnded" }
  if (phase.state === "Running") return { _tag: "StopRequested", reason: StopReason.finished }
  const state = Phase.stopStates.find((candidate) => candidate === phase.state)
  return state === undefined ? undefined : { _tag: "Done", state }
}

const alwaysEnds: Check = (step, ladder) =>
  search(step, ladder).phases.flatMap((start) => {
    let phase = start
    for (let n = 0; n < 10; n++) {
      const input = workDone(phase)
      if (input !== undefined) phase = step(phase, input, ladder)[0]
    }
    return phase.state === "Stopped" || start.state === "Exit"
      ? []
      : [`from ${show(start)} it came only to ${show(phase)}`]
  })

const escalationForward: Check = (step, ladder) =>
  search(step, ladder).phases.flatMap((start) => {
    let phase = start
    const violations: Array<string> = []
    for (let n = 0; n < ladder.length; n++) {
      const [next, commands] = step(phase, { _tag: "Signalled", signal: "SIGTERM" }, ladder)
      if (position(next.state) < position(phase.state))
        violations.push(`a signal led from ${show(phase)} back to ${show(next)}`)
      if (!isTerminal(phase) && !Phase.isStopping(next.state))
        violations.push(`a signal in ${show(phase)} did not begin the stop`)
      const exits = commands.some((command) => command._tag === "ForceExit")
      if (exits !== (next.state === "Exit" && phase.state !== "Exit"))
        violations.push(`${show(phase)} exits without saying so`)
      phase = next
    }
    return isTerminal(phase)
      ? violations
      : [...violations, `${ladder.length} signals from ${show(start)} led only to ${show(phase)}`]
  })

const firstReasonCounts = onEdges(({ from, to }) =>
  from.reason !== undefined && from.reason !== to.reason
    ? "changed the reason"
    : Phase.isStopping(to.state) && to.reason === undefined
      ? "stops without a reason"
      : undefined
)

const terminalIsFinal = onEdges(({ commands, from, to }) =>
  isTerminal(from) && (to !== from || commands.length > 0) ? "did something after the end" : undefined
)

const oneBeginning = onEdges(({ commands, from, to }) => {
  const begins = commands.filter((command) => command._tag === "BeginStop").length
  const began = !Phase.isStopping(from.state) && Phase.isStopping(to.state) ? 1 : 0
  return begins === began ? undefined : `began the stop ${begins} times where it had to ${began} times`
})

const deadlineExits = onEdges(({ commands, from, input, to }) =>
  input._tag === "DeadlineReached" && Phase.isStopping(from.state) && !isTerminal(from)
    ? to.state === "Exit" &&
      commands.some((command) => command._tag === "ForceExit" && command.outcome._tag === "TimedOut")
      ? undefined
      : "stayed past the deadline"
    : undefined
)

/** With a reason, and with nothing else that would be begun. */
const leavingExits = onEdges(({ commands, from, input, to }) => {
  if (input._tag !== "Leaving" || isTerminal(from)) return undefined
  const meant = Phase.isStopping(from.state) ? ["ForceExit"] : ["BeginStop", "ForceExit"]
  const does = commands.map((command) => command._tag)
  const forced = commands.some((command) => command._tag === "ForceExit" && command.outcome._tag === "Forced")
  return to.state === "Exit" && to.signals === from.signals && forced && does.join() === meant.join()
    ? undefined
    : `did ${does.join(", ")}`
})

const checks: Readonly<Record<string, Check>> = {
  "never-backwards: the position of the state never decreases": neverBackwards,
  "never-twice: no state is entered twice": neverTwice,
  "always-ends: from every reachable phase, completing the work at hand leads to Stopped": alwaysEnds,
  "escalation-forward: stop signals only move forward, and the last rung always exits": escalationForward,
  "first-reason-counts: once set, the reason never changes": firstReasonCounts,
  "terminal-is-final: nothing leads out of Stopped and Exit, and no command is given there": terminalIsFinal,
  "a stop begins exactly once, and starts the clock of the grace period then": oneBeginning,
  "reload-is-no-stop: a reload leads from Running to Reloading and back, and a stop leads out of both alike":
    reloadIsNoStop,
  "the deadline always exits, whatever the stop is doing": deadlineExits,
  "a process that leaves has left, whatever it was doing, and begins nothing more": leavingExits
}

describe("in every reachable phase", () => {
  for (const [name, check] of Object.entries(checks)) {
    it(name, () => {
      for (const ladder of ladders) expect(check(Phase.step, ladder)).toEqual([])
    })
  }

  it("every state can be reached, and nothing but the states of the contract", () => {
    for (const ladder of ladders) {
      const reached = new Set(search(Phase.step, ladder).phases.map((phase) => phase.state))
      expect(Array.from(reached).toSorted()).toEqual(Array.from(Phase.AppState.literals).toSorted())
    }
  })

  it("no order of five inputs enters a state twice", () => {
    const walk = (phase: Phase.Phase, entered: ReadonlyArray<Phase.AppState>, left: number): void => {
      const once = entered.filter((state) => !Phase.isRunning(state))
      if (new Set(once).size !== once.length) throw new Error(`entered twice: ${entered.join(", ")}`)
      if (left === 0 || isTerminal(phase)) return
      for (const input of inputs) {
        const [next] = Phase.step(phase, input, ["Graceful", "Interrupt", "Exit"])
        if (next !== phase) walk(next, next.state === phase.state ? entered : [...entered, next.state], left - 1)
      }
    }
    expect(() => walk(Phase.initial, ["Starting"], 5)).not.toThrow()
  })
})

describe("the usual ways through a life", () => {
  const live = (ladder: Phase.Ladder, ...given: ReadonlyArray<Phase.Input>): ReadonlyArray<string> => {
    let phase = Phase.initial
    return given.map((input) => {
      const [next, commands] = Phase.step(phase, input, ladder)
      phase = next
      return [
        next.state,
        ...commands.map((_) =>
          _._tag === "Enter" ? `Enter ${_.state}` : _._tag === "Escalated" ? `Escalated ${_.rung}` : _._tag
        )
      ].join(", ")
    })
  }
  const term: Phase.Input = { _tag: "Signalled", signal: "SIGTERM" }

  it("a signal stops a running application state by state", () => {
    expect(
      live(
        Phase.defaultLadder,
        { _tag: "Built" },
        term,
        ...Phase.stopStates.map((state) => ({ _tag: "Done", state }) as const)
      )
    ).toEqual([
      "Running, Enter Running",
      "LameDuck, BeginStop, Enter LameDuck",
      "Draining, Enter Draining",
      "Interrupting, Enter Interrupting",
      "Releasing, Enter Releasing",
      "Flushing, Enter Flushing",
      "Stopped, Enter Stopped"
    ])
  })

  it("the second signal leaves at once, unless the ladder has a rung between", () => {
    expect(live(Phase.defaultLadder, { _tag: "Built" }, term, term)).toEqual([
      "Running, Enter Running",
      "LameDuck, BeginStop, Enter LameDuck",
      "Exit, Escalated Exit, ForceExit"
    ])
    expect(live(["Graceful", "Interrupt", "Exit"], { _tag: "Built" }, term, term, term)).toEqual([
      "Running, Enter Running",
      "LameDuck, BeginStop, Enter LameDuck",
      "Interrupting, Escalated Interrupt, Enter Interrupting",
      "Exit, Escalated Exit, ForceExit"
    ])
  })

  it("the first signal during a stop that the application asked for only asks; the second leaves", () => {
    expect(live(Phase.defaultLadder, { _tag: "StopRequested", reason: StopReason.finished }, term, term)).toEqual([
      "LameDuck, BeginStop, Enter LameDuck",
      "LameDuck",
      "Exit, Escalated Exit, ForceExit"
    ])
  })

  it("reloads as often as it likes, and a signal in the middle of one stops it as at any other time", () => {
    const began: Phase.Input = { _tag: "ReloadBegan" }
    const ended: Phase.Input = { _tag: "ReloadEnded" }
    expect(live(Phase.defaultLadder, { _tag: "Built" }, began, ended, began, began, term, ended)).toEqual([
      "Running, Enter Running",
      "Reloading, Enter Reloading",
      "Running, Enter Running",
      "Reloading, Enter Reloading",
      "Reloading",
      "LameDuck, BeginStop, Enter LameDuck",
      "LameDuck"
    ])
  })

  it("work that ends late, in a state that is over, changes nothing", () => {
    const [phase] = Phase.step(
      { state: "Releasing", reason: StopReason.finished, signals: 1 },
      { _tag: "Done", state: "Draining" }
    )
    expect(phase).toEqual({ state: "Releasing", reason: StopReason.finished, signals: 1 })
  })
})

describe("the checks bite: each finds the machine that was broken for it", () => {
  const broken = (change: (edge: Edge) => readonly [Phase.Phase, ReadonlyArray<Phase.Command>] | undefined): Step => {
    return (phase, input, ladder) => {
      const [to, commands] = Phase.step(phase, input, ladder)
      return change({ from: phase, input, to, commands }) ?? [to, commands]
    }
  }
  const mutants: ReadonlyArray<readonly [name: string, check: Check, step: Step]> = [
    [
      "a late Built brings a stopping application back to Running",
      neverBackwards,
      broken(({ from, input }) =>
        input._tag === "Built" && from.state === "Draining" ? [{ ...from, state: "Running" }, []] : undefined
      )
    ],
    [
      "a reload that ends late brings a stopping application back to Running",
      neverBackwards,
      broken(({ from, input }) =>
        input._tag === "ReloadEnded" && from.state === "Draining" ? [{ ...from, state: "Running" }, []] : undefined
      )
    ],
    [
      "a reload is begun in the middle of the start",
      reloadIsNoStop,
      broken(({ from, input }) =>
        input._tag === "ReloadBegan" && from.state === "Starting" ? [{ ...from, state: "Reloading" }, []] : undefined
      )
    ],
    [
      "a signal is not heard while reloading",
      reloadIsNoStop,
      broken(({ from, input }) => (input._tag === "Signalled" && from.state === "Reloading" ? [from, []] : undefined))
    ],
    [
      "the Interrupt rung starts Interrupting over again",
      neverTwice,
      broken(({ commands, from, input, to }) =>
        input._tag === "Signalled" && from.state === "Interrupting" && to.state === "Interrupting"
          ? [to, [...commands, { _tag: "Enter", state: "Interrupting" }]]
          : undefined
      )
    ],
    [
      "Releasing does not hear that its work is done",
      alwaysEnds,
      broken(({ from, input }) => (input._tag === "Done" && from.state === "Releasing" ? [from, []] : undefined))
    ],
    [
      "signals are ignored while Flushing",
      escalationForward,
      broken(({ from, input }) => (input._tag === "Signalled" && from.state === "Flushing" ? [from, []] : undefined))
    ],
    [
      "a second request replaces the reason",
      firstReasonCounts,
      broken(({ from, input }) =>
        input._tag === "StopRequested" && from.state === "Draining"
          ? [{ ...from, reason: input.reason }, []]
          : undefined
      )
    ],
    [
      "a signal after the end counts on",
      terminalIsFinal,
      broken(({ from, input }) =>
        input._tag === "Signalled" && from.state === "Stopped"
          ? [{ ...from, signals: from.signals + 1 }, []]
          : undefined
      )
    ],
    [
      "a second request starts the clock again",
      oneBeginning,
      broken(({ from, input }) =>
        input._tag === "StopRequested" && from.state === "LameDuck"
          ? [from, [{ _tag: "BeginStop", reason: input.reason }]]
          : undefined
      )
    ],
    [
      "Flushing may take as long as it likes",
      deadlineExits,
      broken(({ from, input }) =>
        input._tag === "DeadlineReached" && from.state === "Flushing" ? [from, []] : undefined
      )
    ],
    [
      "a process that leaves in the middle of its start is asked to stop gracefully",
      leavingExits,
      broken(({ from, input }) =>
        input._tag === "Leaving" && from.state === "Starting"
          ? [
              { ...from, state: "LameDuck", reason: input.reason },
              [
                { _tag: "BeginStop", reason: input.reason },
                { _tag: "Enter", state: "LameDuck" }
              ]
            ]
          : undefined
      )
    ],
    [
      "a process that leaves in the middle of its stop has another reason",
      firstReasonCounts,
      broken(({ commands, from, input, to }) =>
        input._tag === "Leaving" && from.state === "Draining" ? [{ ...to, reason: input.reason }, commands] : undefined
      )
    ],
    [
      "what has stopped is forced out as the process leaves",
      terminalIsFinal,
      broken(({ from, input }) =>
        input._tag === "Leaving" && from.state === "Stopped"
          ? [from, [{ _tag: "ForceExit", outcome: { _tag: "Forced" } }]]
          : undefined
      )
    ]
  ]
  for (const [name, check, step] of mutants) {
    it(name, () => {
      expect(check(step, ["Graceful", "Interrupt", "Exit"]).length).toBeGreaterThan(0)
    })
  }
})
