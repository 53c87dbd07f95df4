// Quiesce's HTTP drain beside plain effect, in one run on one machine: `node scripts/run.mjs bench http [loss] [targets] [overhead]`.
// Only the ratios and the differences mean something elsewhere.
import { load } from "./http/clients.ts"
import { Hammer } from "./http/hammer.ts"
import { type Kind, Server } from "./http/Server.ts"
import { connect } from "node:net"
import { once } from "node:events"

const asked = process.argv.slice(2)
const wanted = (part: string) => asked.length === 0 || asked.includes(part)

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const ms = (value: number | undefined): string => (value === undefined ? "killed" : `${Math.round(value)} ms`)
const sides = ["plain", "quiesce"] as const satisfies ReadonlyArray<Kind>

/** A SIGTERM in the middle of 60 busy keep-alive clients. */
const loss = async (path: string, runs: number): Promise<void> => {
  const rows: Record<string, object> = {}
  for (const kind of sides) {
    let [served, lost, runsWithLoss] = [0, 0, 0]
    const exits: Array<number> = []
    for (let run = 0; run < runs; run++) {
      const server = await Server.start(kind)
      const { ended, noticed } = load(server.port, 60, path)
      while (noticed.served < 1000) await new Promise((resolve) => setImmediate(resolve))
      server.stop()
      exits.push((await server.ended()) ?? Number.NaN)
      await ended
      served += noticed.served
      lost += noticed.lost
      if (noticed.lost > 0) runsWithLoss++
    }
    rows[kind] = {
      runs,
      served,
      lost,
      "runs with a loss": runsWithLoss,
      "exit, median": ms(median(exits)),
      "exit, worst": ms(Math.max(...exits))
    }
  }
  console.log(`\nSIGTERM under the load of 60 keep-alive clients, GET ${path}`)
  console.table(rows)
}

/** Opens a connection, asks, and waits until the answer has begun, or for nothing when it never does. */
const ask = async (port: number, path: string, headers = "", answers = false): Promise<void> => {
  const socket = connect({ port, host: "127.0.0.1" })
  socket.on("error", () => {})
  await once(socket, "connect")
  socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n${headers}\r\n`)
  if (answers) await once(socket, "data")
}

const exit = async (
  kind: Kind,
  options: object,
  meet: (server: Server) => Promise<unknown>
): Promise<number | undefined> => {
  const server = await Server.start(kind, options)
  await meet(server)
  // What was sent has arrived when this later request has been answered.
  await (await fetch(`http://127.0.0.1:${server.port}/`, { headers: { connection: "close" } })).text()
  server.stop()
  return server.ended()
}

const goingAway = async (kind: Kind): Promise<number | undefined> => {
  const server = await Server.start(kind)
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`)
  await once(socket, "open")
  const at = performance.now()
  server.stop()
  const [event] = (await once(socket, "close")) as [CloseEvent]
  const after = performance.now() - at
  await server.ended()
  return event.code === 1001 ? after : undefined
}

const secondSignal = async (kind: Kind): Promise<number | undefined> => {
  const server = await Server.start(kind, { signalCooldown: 0 })
  await ask(server.port, "/hang")
  await ask(server.port, "/events", "", true)
  server.stop()
  await new Promise((resolve) => setTimeout(resolve, 200))
  server.stop()
  const after = await server.ended()
  return after === undefined ? undefined : after - 200
}

const targets = async (): Promise<void> => {
  const rows: Record<string, object> = {}
  const row = async (
    name: string,
    target: string,
    measure: (kind: Kind) => Promise<number | undefined>
  ): Promise<void> => {
    rows[name] = { plain: ms(await measure("plain")), quiesce: ms(await measure("quiesce")), target }
  }
  const many = (path: string, count: number) => (server: Server) =>
    Promise.all(Array.from({ length: count }, () => ask(server.port, path)))
  await row("nobody connected: exit", "no waiting", (kind) => exit(kind, {}, async () => {}))
  await row("20 requests with 0.7 s to go: exit", "750 ms", (kind) => exit(kind, {}, many("/slow?ms=700", 20)))
  await row("a handler hangs, drain 1 s: exit", "1050 ms", (kind) => exit(kind, { drain: 1000 }, many("/hang", 1)))
  await row("event stream: exit", "no waiting", (kind) =>
    exit(kind, {}, (server) => ask(server.port, "/events", "", true))
  )
  await row("silent connection: exit", "bounded", (kind) =>
    exit(kind, {}, (server) => once(connect(server.port, "127.0.0.1"), "connect"))
  )
  await row("WebSocket: 1001 after", "300 ms", goingAway)
  await row("second signal: exit after it", "50 ms", secondSignal)
  console.log("\nTimes after SIGTERM (killed: not out after 30 s)")
  console.table(rows)
}

/** Request by request in turns, over several pairs of processes, because two processes of the same program differ too. */
const overhead = async (): Promise<void> => {
  const kinds = ["plain", "plain", "app", "quiesce"] as const satisfies ReadonlyArray<Kind>
  const [pairs, rounds, warmUp, requests] = [7, 8, 6, 6000]
  const ratios = kinds.map(() => ({
    cpu: [] as Array<number>,
    throughput: [] as Array<number>,
    latency: [] as Array<number>
  }))
  for (let pair = 0; pair < pairs; pair++) {
    const servers = await Promise.all(kinds.map((kind) => Server.start(kind)))
    const hammers = await Promise.all(servers.map((server) => Hammer.connect(server.port, 20)))
    const best = kinds.map(() => ({ cpu: Infinity, throughput: 0, latency: Infinity }))
    for (let round = -warmUp; round < rounds; round++) {
      for (let turn = 0; turn < kinds.length; turn++) {
        const index = (turn + round + warmUp) % kinds.length
        const [server, hammer, seen] = [servers[index], hammers[index], best[index]]
        if (server === undefined || hammer === undefined || seen === undefined) continue
        const before = await server.cpu()
        const { p50, requests: done, seconds } = await hammer.run(requests)
        if (round < 0) continue
        seen.cpu = Math.min(seen.cpu, ((await server.cpu()) - before) / done)
        seen.throughput = Math.max(seen.throughput, done / seconds)
        seen.latency = Math.min(seen.latency, p50)
      }
    }
    const [base] = best
    if (base === undefined) continue
    for (const [index, { cpu, latency, throughput }] of best.entries()) {
      ratios[index]?.cpu.push(cpu / base.cpu)
      ratios[index]?.throughput.push(base.throughput / throughput)
      ratios[index]?.latency.push(latency / base.latency)
    }
    for (const hammer of hammers) hammer.close()
    for (const server of servers) server.kill()
  }
  const names = ["plain", "plain again (the noise)", "NodeHttpServer under NodeApp", "quiesce"]
  console.log(
    `\nCost of a request against plain effect: median of ${pairs} ratios, the best of ${rounds} rounds each (target 1.02)`
  )
  console.table(
    Object.fromEntries(
      ratios.map(({ cpu, latency, throughput }, index) => [
        names[index],
        {
          "time per request": median(throughput).toFixed(3),
          "median latency": median(latency).toFixed(3),
          CPU: median(cpu).toFixed(3)
        }
      ])
    )
  )
}

if (wanted("loss")) {
  await loss("/", 10)
  // Plain effect takes 20 seconds for each of these.
  await loss("/slow?ms=20", 3)
}
if (wanted("targets")) await targets()
if (wanted("overhead")) await overhead()
process.exit(0)
