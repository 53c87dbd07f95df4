/**
 * The watchdog's thread. It shares nothing with the main thread but a few numbers, so that nothing that hangs there hangs here.
 */
import type { Event } from "quiesce/Event"
import type { SignalPipe } from "./SignalPipe.ts"
import type { asking } from "./asking.ts"
import type { killProcess } from "./killProcess.ts"
import type { Block, FromThread, KilledReport, ThreadData, ToThread } from "./messages.ts"
import type { speech } from "./speech.ts"
import type { untakenSignals } from "./untakenSignals.ts"

/**
 * The whole program of the thread. It is sent there as text, so it refers to nothing outside of itself and what it is given.
 */
export const watch = (
  ask: ReturnType<typeof asking>,
  signals: ReturnType<typeof untakenSignals>,
  { speak, write }: ReturnType<typeof speech>,
  kill: typeof killProcess
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
  /** What the main thread has not taken so long after it came back was not for it. */
  const takenMillis = 1000
  /** Code that can answer does so within two, unless memory is being collected or the machine is busy. */
  const answerMillis = 300
  /** For code that has not answered before. */
  const silentMillis = 20
  /** Nobody waits for the answer to where it is. */
  const whereMillis = 5000
  /** At the end, where a flood is: between two of its turns it is nowhere. */
  const mostQuestions = 10
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
  let gracePeriod: number | undefined
  let isStarting = true
  let isStopping = false
  /** What is being released at this moment. */
  let releases = 0
  /** When the stop has to be over; before there is one, the rollback of a start that has failed. */
  let stopAt: number | undefined
  let rollBackAt: number | undefined
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

  /** What it does before it is killed. Answers whether it is to be killed all the same. */
  const leaveWord = async (at: number): Promise<boolean> => {
    const first = untaken[0] && { signal: untaken[0].signal, ago: at - untaken[0].at }
    const millis = at - beat()
    // It has been asked where it is for a while: code that can answer would have, unless this thread had no time to listen.
    let patience = stall?.askedAt === undefined ? answerMillis : answerMillis - (lastLook - stall.askedAt)
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
    if (!isStopping) rearm()
  }

  const isRollingBack = (): boolean => isStarting && releases > 0

  /** Sets the deadline as it is known by now. Nobody has told one for a rollback, and for a signal that is not taken. */
  const rearm = (): void => {
    const [first] = untaken
    clearTimeout(deadline)
    if (stopAt !== undefined) endAt(stopAt)
    else if (isRollingBack() && rollBackAt !== undefined)
      endAt(rollBackAt, () => isRollingBack() && age() > quietMillis)
    else if (first !== undefined && gracePeriod !== undefined) {
      // One that has come back takes the signal itself.
      const blocked = lastBeat
      endAt(first.at + gracePeriod, () => beat() === blocked)
    }
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
      stall = undefined
    }
    lastBeat = seen
    if (data.signalPipe !== undefined) signals.forget(data.signalPipe)
    const at = Atomics.load(shared, data.slots.signalled)
    if (at !== 0n) setTimeout(() => Atomics.compareExchange(shared, data.slots.signalled, at, 0n), takenMillis)
    if (untaken.length === 0) return
    // The main thread takes them itself now.
    untaken = []
    if (!isStopping) rearm()
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
    if (data.signalPipe !== undefined) hear(data.signalPipe, Math.max(lastHeard, seen, awake), at)
    lastHeard = at
    if (still < lateMillis) return
    const block = (stall ??= { stack: [], askedAt: undefined, isTold: false, isSignalTold: false })
    // Between two of its turns a flood of them is nowhere: it is asked again.
    if (block.askedAt === undefined && !isSomewhere(block.stack)) {
      block.askedAt = at
      void locate(block)
      // Not before there was time for an answer: to load it keeps this thread busy. Who floods makes the report itself.
    } else if (isStopping || untaken.length > 0) void import(data.reportModule).catch(() => {})
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

  const keep = (message: Extract<ToThread, { readonly _tag: "Event" }>): void => {
    events.push(message)
    // Of a stop nothing is forgotten.
    if (isStopping || !message.recurring || ++recurring <= mostRecurring) return
    events.splice(
      events.findIndex((kept) => kept.recurring),
      1
    )
    recurring--
  }

  const follow = (event: Event): void => {
    switch (event._tag) {
      case "AppStarting":
        gracePeriod = event.gracePeriod
        return rearm()
      case "ComponentStarting":
        // The start goes on.
        if (releases === 0) rollBackAt = undefined
        return
      case "ComponentStopping":
        // What is released while the application starts is what a failed start leaves behind.
        if (++releases > 1 || !isStarting || rollBackAt !== undefined || gracePeriod === undefined) return
        rollBackAt = now() + gracePeriod
        return rearm()
      case "ComponentStopped":
      case "ComponentAbandoned":
        releases--
        return
      case "StateChanged":
        isStarting = false
        // It runs its hooks itself now, and leaves.
        if (event.to === "Exit") endAt((stopAt = now() + data.hooksMillis))
        return
      case "StopRequested":
        isStopping = true
        if (event.reason._tag === "Signal") tookSignal(event.reason.signal, 1)
        // The main thread tells it more exactly, unless it hangs in its first turn.
        stopAt = now() + (gracePeriod ?? 0) - (event.spent ?? 0)
        return rearm()
      case "Escalated":
        return tookSignal(event.signal, taken + 1)
      case "Ended":
        hasEnded = true
    }
  }

  const tookSignal = (signal: string, count: number): void => {
    taken = count
    known.set(signal, now())
    untaken = untaken.filter((one) => one.signal !== signal)
  }

  const holdSignal = (signal: string): void => {
    if (!isStopSignal(signal)) return
    untaken.push({ signal, at: now() })
    known.set(signal, now())
    rearm()
  }

  parentPort?.on("message", (message: ToThread) => {
    switch (message._tag) {
      case "Event":
        keep(message)
        return follow(message.event)
      case "Deadline":
        stopAt = message.at
        return rearm()
      case "Held":
        return holdSignal(message.signal)
      case "Taken":
        if (message.count !== taken) tookSignal(message.signal, message.count)
    }
  })
}
