// What the watchdog is good for, beside plain effect, and what it costs, beside NodeApp without it, in one run on one machine:
// `node scripts/run.mjs bench watchdog [exit] [cost]`. Only the ratios and the differences mean something elsewhere.
import { setTimeout as sleep } from "node:timers/promises"
import { Program, type Work } from "./watchdog/Program.ts"

const grace = 1000
const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** A SIGTERM, and a finalizer that does not return. */
const exit = async (): Promise<void> => {
  const runs = 5
  const limit = grace + 5000
  const faults = ["hotLoop", "catastrophicRegex", "waitForever", "spawnSleep", "promiseFlood"] as const
  const stop = async (kind: "plain" | "quiesce", fault: Work): Promise<number | undefined> => {
    const program = await Program.start(kind, fault)
    // The threads of the runtime have come up, too.
    await sleep(300)
    return program.stop(limit)
  }
  const rows: Record<string, object> = {}
  for (const fault of faults) {
    const over: Array<number> = []
    let ended = 0
    for (let run = 0; run < runs; run++) {
      if ((await stop("plain", fault)) !== undefined) ended++
      over.push(((await stop("quiesce", fault)) ?? Number.NaN) - grace)
    }
    rows[fault] = {
      plain: ended === 0 ? "never" : `${ended} of ${runs} ended`,
      "quiesce: after the deadline, median": `${median(over).toFixed(0)} ms`,
      worst: `${Math.max(...over).toFixed(0)} ms`
    }
  }
  console.log(
    `\nExit after a SIGTERM, deadline ${grace} ms, ${runs} runs each (never: killed by its parent after ${limit} ms)`
  )
  console.table(rows)
}

const cost = async (): Promise<void> => {
  const runs = 15
  const idleMillis = 60_000
  const kinds = ["unwatched", "unwatched", "quiesce"] as const
  const names = ["without", "without again (the noise)", "with the watchdog"]
  const startUp: Array<Array<number>> = kinds.map(() => [])
  const rss: Array<Array<number>> = kinds.map(() => [])
  for (let run = 0; run < runs; run++) {
    for (const [index, kind] of kinds.entries()) {
      const program = await Program.start(kind, "nothing")
      startUp[index]?.push(program.startUp)
      await sleep(500)
      rss[index]?.push((await program.usage()).rss / 1_048_576)
      await program.stop(5000)
    }
  }
  const idle = await Promise.all(
    kinds.map(async (kind) => {
      const program = await Program.start(kind, "nothing")
      // What a start leaves behind, as collections and compilations, is over.
      await sleep(5000)
      const before = await program.usage()
      await sleep(idleMillis)
      const { cpu } = await program.usage()
      await program.stop(5000)
      return cpu - before.cpu
    })
  )
  const rows = kinds.map((_, index) => {
    const ratio = (all: ReadonlyArray<ReadonlyArray<number>>) =>
      median((all[index] ?? []).map((value, run) => value / (all[0]?.[run] ?? Number.NaN))).toFixed(2)
    const middle = (all: ReadonlyArray<ReadonlyArray<number>>) => median(all[index] ?? []).toFixed(0)
    return [
      names[index],
      {
        "start-up": `${middle(startUp)} ms`,
        ratio: ratio(startUp),
        memory: `${middle(rss)} MiB`,
        "ratio of memory": ratio(rss),
        "CPU of an idle minute": `${idle[index]?.toFixed(0)} ms`
      }
    ]
  })
  console.log(`\nCost: medians of ${runs}, ratios pair by pair`)
  console.table(Object.fromEntries(rows))
}

const wanted = process.argv.slice(2)
const parts = { exit, cost }
for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part()
process.exit(0)
