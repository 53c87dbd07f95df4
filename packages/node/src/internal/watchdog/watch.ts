/**
 * The watchdog's thread. It shares nothing with the main thread but a few numbers, so that nothing that hangs there hangs here.
 */
import type { Event } from "quiesce/Event"
import type { SignalPipe } from "./SignalPipe.ts"
import type { Answer, Block, FromThread, KilledReport, Question, ThreadData, ToThread } from "./messages.ts"
import type { speech } from "./speech.ts"
import type { untakenSignals } from "./untakenSignals.ts"

/**
 * The whole program of the thread. It is sent there as text, so it refers to nothing outside of itself and what it is given.
 *
 * The main thread is questioned through the inspector. V8 handles such a request as an interrupt, on top of whatever runs:
 * between two steps of a loop or of a regular expression, and in `Atomics.wait`. Native code that does not return answers nothing.
 */
export const watch = (
  signals: ReturnType<typeof untakenSignals>,
  { speak, write }: ReturnType<typeof speech>
): void => {
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads")
  const data: ThreadData = workerData
  const shared = new BigInt64Array(data.shared)

  /** On a busy machine a main thread that lives is this late at most. */
  const lateMillis = 2 * data.beatMillis
  /** One that is idle is never this late. */
  const missedMillis = data.beatMillis + 50
  /** Of one that is stopping, and says more often that it lives. */
  const quietMillis = 150
  /** After the deadline a main thread that lives leaves within a few milliseconds. */
  const leavingMillis = 500
  const pollMillis = 25
  /** Code that can answer does so within two, unless memory is being collected or the machine is busy. */
  const answerMillis = 300
  /** For code that has not answered before. */
  const silentMillis = 20
  /** Nobody waits for the answer to where it is. */
  const whereMillis = 5000
  /** At the end, where a flood is: between two of its turns it is nowhere. */
  const mostQuestions = 10
  /** For the emergency hooks, all together. */
  const hooksMillis = 500
  /** For the module that makes the report. */
  const reportMillis = 400
  /** A block that lasts so many times the threshold may have no end: it is told of while it lasts. */
  const longStalls = 10
  const mostRecurring = 1000

  interface Stall {
    stack: ReadonlyArray<string>
    /** Since when it is being asked where it is. */
    askedAt: number | undefined
    isTold: boolean
    isSignalTold: boolean
  }

  const events: Array<Extract<ToThread, { readonly _tag: "Event" }>> = []
  let recurring = 0
  let isStarting = true
  let isStopping = false
  /** What is being released at this moment. */
  let releases = 0
  /** Stop signals that the main thread has taken. */
  let taken = 0
  /** The others, with the earliest time at which each can have come. */
  let untaken: Array<{ readonly signal: string; readonly at: number }> = []
  /** When each was last counted, by either thread. */
  const known = new Map<string, number>()
  let hasEnded = false
  let isEnding = false
  let deadline: NodeJS.Timeout | undefined
  let stall: Stall | undefined

  const now = (): number => Number(process.hrtime.bigint()) / 1e6
  const beat = (): number => Number(Atomics.load(shared, data.slots.beat)) / 1e6
  /** Until when the whole process stood still, as one that was suspended: nobody is to blame for that time. */
  let awake = now()
  const age = (): number => now() - Math.max(beat(), awake)
  const isInspected = (): boolean => Atomics.load(shared, data.slots.inspected) !== 0n
  const after = (millis: number): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, millis, undefined))

  const ask = (question: Question, millis: number): Promise<Answer | undefined> =>
    new Promise((resolve) => {
      if (!data.mayInspect) return resolve(undefined)
      try {
        const { Session } = process.getBuiltinModule("node:inspector")
        const session = new Session()
        session.connectToMainThread()
        const done = (answer: Answer | undefined): void => {
          session.disconnect()
          resolve(answer)
        }
        const expression = `${data.ask}(${JSON.stringify(question)})`
        session.post("Runtime.evaluate", { expression, returnByValue: true }, (_, answer) => {
          const said: unknown = answer?.result.value
          done(typeof said === "string" ? JSON.parse(said) : undefined)
        })
        setTimeout(() => {
          const isSpeaking = Atomics.load(shared, data.slots.speaking) !== 0n
          setTimeout(done, isSpeaking ? hooksMillis : 0, undefined)
        }, millis)
      } catch {
        // There is no stack, and everything else goes on.
        resolve(undefined)
      }
    })

  const line = (what: string, stack: ReadonlyArray<string>): string => {
    const message = `${data.name} ${what}`
    return data.style.json
      ? `${JSON.stringify({ message, stack, level: "FATAL", timestamp: new Date().toISOString() })}\n`
      : `${[message, ...stack].join("\n    at ")}\n`
  }

  const reportOf = async (block: Block): Promise<KilledReport | undefined> => {
    try {
      const { killedReport }: typeof import("./killedReport.ts") = await import(data.reportModule)
      const [first] = events
      const log = events.map(({ event }) => event)
      return first === undefined ? undefined : killedReport(log, block, now() - first.began, data.style)
    } catch {
      // A bundled application has no such module.
      return undefined
    }
  }

  const kill = (): void => {
    try {
      process.kill(process.pid, "SIGKILL")
    } catch {
      // What follows needs nobody's permission.
    }
    // The first process of a container is spared by signals of its own; not by a trap of the processor.
    setTimeout(() => {
      process.getBuiltinModule("node:v8").setFlagsFromString("--allow-natives-syntax")
      new (process.getBuiltinModule("node:vm").Script)("%SystemBreak()").runInThisContext()
    }, 20)
  }

  /** What it does before it is killed. Answers whether it is to be killed all the same. */
  const leaveWord = async (at: number): Promise<boolean> => {
    const first = untaken[0] && { signal: untaken[0].signal, ago: at - untaken[0].at }
    const millis = at - beat()
    // It has been asked where it is for a while: code that can answer would have.
    let patience = stall?.askedAt === undefined ? answerMillis : answerMillis - (at - stall.askedAt)
    let stack = stall?.stack ?? []
    // A block that began a moment ago has hardly been asked yet.
    for (let asked = 0; asked < mostQuestions && patience > 0 && !isSomewhere(stack); asked++) {
      const answer = await ask({ lastWords: undefined }, Math.max(patience, silentMillis))
      if (answer === undefined) patience = 0
      else stack = answer.stack
    }
    const block = { millis, untaken: first, stack }
    // Who has told the end already has no more to say than what holds the process since.
    const answer = await ask({ lastWords: hasEnded ? undefined : block }, Math.max(patience, silentMillis))
    // Somebody has come to see what it does.
    if (isInspected()) return false
    const told = { ...block, stack: answer?.stack ?? block.stack }
    const report = hasEnded
      ? undefined
      : (answer?.report ?? (await Promise.race([reportOf(told), after(reportMillis)])))
    const why = `its event loop has been blocked for ${Math.round(told.millis)} ms`
    const held = told.stack.length === 0 ? ", held by native code, perhaps of another worker thread" : ""
    const text = report === undefined ? line(`is killed: ${why}${held}`, told.stack) : `${report.text}\n`
    await speak({
      text: report === undefined || data.style.wanted ? text : "",
      path: report === undefined ? undefined : data.reportPath,
      json: `${report?.json}\n`
    })
    return true
  }

  const end = async (): Promise<void> => {
    if (isEnding) return
    isEnding = true
    // Whatever fails there, it is killed.
    const isOver = await leaveWord(now()).catch(() => true)
    if (isOver) return kill()
    isEnding = false
    close(now())
  }

  const wait = (until: number, then: () => void): void => {
    clearTimeout(deadline)
    deadline = setTimeout(then, Math.min(Math.max(until - now(), 0), 2_147_483_647))
  }

  /** The deadline has come. Who lives is about to leave; who is halted at a breakpoint looks like one that hangs. */
  const close = (since: number): void => {
    const isLeaving = age() < quietMillis && now() - since < leavingMillis
    if (isInspected()) wait(now() + pollMillis, () => close(now()))
    else if (isLeaving) wait(now() + pollMillis, () => close(since))
    else void end()
  }

  const endAt = (at: number, isDue = (): boolean => true): void =>
    wait(at, () => {
      // A timer that is late says that the process stood still.
      if (now() - at > quietMillis) awake = now()
      if (isDue()) close(now())
    })

  const isStopSignal = (signal: string): boolean =>
    signal === "SIGTERM" ||
    signal === "SIGINT" ||
    (signal === "SIGHUP" && Atomics.load(shared, data.slots.hangUpStops) !== 0n)

  /** What has come to a main thread that cannot take it, since it ran or was looked at. */
  const hear = (pipe: SignalPipe, since: number, at: number): void => {
    for (const signal of signals.look(pipe).filter(isStopSignal)) {
      if (since - (known.get(signal) ?? -Infinity) < data.cooldownMillis) continue
      known.set(signal, at)
      untaken.push({ signal, at: since })
      if (untaken.length === 1) signalled(since)
      if (taken + untaken.length < data.lastSignal) continue
      void write(line(`cannot take ${signal} either, and is killed at once`, []))
      return void end()
    }
  }

  const signalled = (at: number): void => {
    Atomics.store(shared, data.slots.signalled, BigInt(Math.round(at * 1e6)))
    const start = events[0]?.event
    if (isStopping || start?._tag !== "AppStarting") return
    // One that has come back takes the signal itself.
    const blocked = lastBeat
    endAt(at + start.gracePeriod, () => beat() === blocked)
  }

  const isSomewhere = (stack: ReadonlyArray<string>): boolean => stack.some((frame) => !frame.includes("node:"))

  const locate = async (block: Stall): Promise<void> => {
    const answer = await ask({ lastWords: undefined }, whereMillis)
    block.askedAt = undefined
    if (answer !== undefined) block.stack = answer.stack
  }

  let lastLook = now()
  let lastHeard = lastLook
  let lastBeat = beat()

  const comeBack = (seen: number): void => {
    if (stall !== undefined) {
      const told: FromThread = { millis: seen - lastBeat, stack: stall.stack }
      // eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      if (told.millis >= data.stallMillis) parentPort?.postMessage(told)
      // The main thread takes its signals itself now.
      if (!isStopping) clearTimeout(deadline)
      stall = undefined
    }
    lastBeat = seen
    untaken = []
    signals.forget()
  }

  const look = (): void => {
    const at = now()
    const before = lastLook
    lastLook = at
    // When this thread was late too, as on a machine that was suspended, the main thread is not to blame for that time.
    if (at - before > lateMillis) awake = at
    const seen = beat()
    if (seen !== lastBeat || isInspected()) return comeBack(seen)
    const still = age()
    if (still < missedMillis) return
    if (data.signalPipe !== undefined) hear(data.signalPipe, Math.max(lastHeard, seen), at)
    lastHeard = at
    if (still < lateMillis) return
    const block = (stall ??= { stack: [], askedAt: undefined, isTold: false, isSignalTold: false })
    if (isStopping || untaken.length > 0) void import(data.reportModule).catch(() => {})
    // Between two of its turns a flood of them is nowhere: it is asked again.
    if (block.askedAt === undefined && !isSomewhere(block.stack)) {
      block.askedAt = at
      void locate(block)
    }
    const [first] = untaken
    if (first !== undefined && !isStopping && !block.isSignalTold && still >= data.stallMillis) {
      block.isSignalTold = true
      const end = "unless it comes back, it is killed when its grace period is over"
      void write(line(`is blocked and cannot take ${first.signal}: ${end}`, block.stack))
    }
    if (!block.isTold && still >= longStalls * data.stallMillis) {
      block.isTold = true
      void write(line(`has been blocked for ${Math.round(still)} ms, and is still`, block.stack))
    }
  }

  /** The next look is when the main thread should have been heard of; when it was not, signals may come at any time. */
  const turn = (): void => {
    look()
    setTimeout(turn, Math.max(missedMillis - age(), pollMillis))
  }
  turn()

  /** A start that has failed has as long for what it had built as a stop has, and nobody has told a deadline. */
  const rollBack = (): void => {
    const start = events[0]?.event
    if (!isStarting || start?._tag !== "AppStarting") return
    endAt(now() + start.gracePeriod, () => isStarting && releases > 0 && age() > quietMillis)
  }

  const takenSignal = (event: Event): string | undefined => {
    if (event._tag === "Escalated") return event.signal
    return event._tag === "StopRequested" && event.reason._tag === "Signal" ? event.reason.signal : undefined
  }

  parentPort?.on("message", (message: ToThread) => {
    if (message._tag === "Deadline") return endAt(message.at)
    const { event } = message
    events.push(message)
    if (message.recurring && ++recurring > mostRecurring) {
      events.splice(
        events.findIndex((kept) => kept.recurring),
        1
      )
      recurring--
    }
    if (event._tag === "StateChanged") isStarting = false
    if (event._tag === "StopRequested") isStopping = true
    if (event._tag === "ComponentStopping" && ++releases === 1) rollBack()
    if (event._tag === "ComponentStopped" || event._tag === "ComponentAbandoned") releases--
    const signal = takenSignal(event)
    if (signal !== undefined) {
      taken++
      known.set(signal, now())
    }
    // It runs its hooks itself now, and leaves.
    if (event._tag === "StateChanged" && event.to === "Exit") endAt(now() + hooksMillis)
    if (event._tag === "Ended") hasEnded = true
  })
}
