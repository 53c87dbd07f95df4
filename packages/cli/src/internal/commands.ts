/**
 * The command line: what can be typed, and the effects behind it. Every handler answers with an exit code.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Plan from "quiesce/Plan"
import { exitCodes } from "quiesce/Outcome"
import { Reloaded, Status, Stopped } from "../Control.ts"
import { ask } from "./controlClient.ts"
import { controlPath } from "./controlPath.ts"
import { notRunning } from "./exitCode.ts"
import { duration, Failed, failed, messageOf, where } from "./flags.ts"
import { IsLeaving } from "./IsLeaving.ts"
import { parseListenAddress } from "./ListenAddress.ts"
import { service } from "./serviceCommands.ts"
import { statusText } from "./statusText.ts"

const json = Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("Print JSON, for programs"))

// --- run --------------------------------------------------------------------------------------------------------------

const run = Command.make(
  "run",
  {
    ...where,
    listen: Flag.String("listen").pipe(
      Flag.mapTryCatch((text) => (parseListenAddress(text), text), messageOf),
      Flag.atLeast(0),
      Flag.withMetavar("[name=][host:]port|path"),
      Flag.withDescription("Hold this listening socket for the application; may be given more than once")
    ),
    grace: duration(
      "grace",
      "From the stop signal to the kill of the process group, 0.9 seconds later (default: the grace period of the application)"
    ).pipe(Flag.optional),
    readyTimeout: duration(
      "ready-timeout",
      "How long a reload waits for the next life to be ready (default: 30s)"
    ).pipe(Flag.optional),
    restart: Flag.Literals("restart", ["on-failure", "always", "never"]).pipe(
      Flag.withDefault("on-failure"),
      Flag.withDescription(
        "When to start it again; never after the exit codes 2, 78, 126 and 127 (default: on-failure)"
      )
    ),
    maxRestarts: Flag.Int("max-restarts").pipe(
      Flag.filter(
        (most) => most >= 0,
        () => "a number of restarts, 0 or more"
      ),
      Flag.withDefault(5),
      Flag.withDescription(
        "Restarts within --restart-window; then the supervisor leaves, with its exit code (default: 5)"
      )
    ),
    restartWindow: duration("restart-window", "See --max-restarts (default: 1m)").pipe(Flag.optional),
    backoff: duration("backoff", "Delay before the first restart, doubled for each, at most 10s (default: 100ms)").pipe(
      Flag.optional
    ),
    command: Argument.String("command").pipe(Argument.withDescription('What to run, after "--"'), Argument.atLeast(1))
  },
  Effect.fnUntraced(function* ({ backoff, command, grace, readyTimeout, restartWindow, socket, ...options }) {
    // The supervisor has a database, which those that only ask should not load.
    const Supervisor = yield* Effect.promise(() => import("../Supervisor.ts"))
    const running = Supervisor.run({
      ...options,
      command,
      socket: Option.getOrUndefined(socket),
      gracePeriod: Option.getOrUndefined(grace),
      readyTimeout: Option.getOrUndefined(readyTimeout),
      restartWindow: Option.getOrUndefined(restartWindow),
      restartSchedule: Option.getOrUndefined(Option.map(backoff, Supervisor.backoff))
    }).pipe(Effect.provideService(IsLeaving, true))
    const exitCode = yield* Effect.catchTag(running, "SupervisorError", (error) =>
      failed(error.message, error.reason === "Unsupported" ? exitCodes.configuration : 1)
    )
    if (exitCode !== 0) return yield* Effect.fail(new Failed(exitCode))
  })
).pipe(
  Command.withDescription(
    "Run an application under supervision: signals, restarts, and its listening sockets. SIGHUP replaces it without losing a request."
  ),
  Command.withExamples([
    { command: "quiesce run -- node app.js", description: "Restarts after crashes, kills at the deadline" },
    { command: "quiesce run --listen 3000 -- node app.js", description: 'So that "quiesce reload" refuses nobody' }
  ])
)

// --- ask --------------------------------------------------------------------------------------------------------------

interface Where {
  readonly name: string
  readonly socket: Option.Option<string>
  readonly json: boolean
}

const answerOf = <A>(
  { json, name, socket }: Where,
  method: "GET" | "POST",
  what: string,
  schema: Schema.Codec<A, unknown>
): Effect.Effect<A, Failed> =>
  ask(controlPath({ name, socket: Option.getOrUndefined(socket) }), method, what, schema).pipe(
    Effect.catchTag("ControlError", ({ message, reason }) => {
      const exitCode = reason === "NotRunning" ? notRunning : 1
      if (!json) return failed(message, exitCode)
      return Effect.andThen(Console.log(JSON.stringify({ error: reason, message })), Effect.fail(new Failed(exitCode)))
    })
  )

const asking =
  <A>(method: "GET" | "POST", what: string, schema: Schema.Codec<A, unknown>, text: (answer: A) => string) =>
  (where: Where) =>
    Effect.flatMap(answerOf(where, method, what, schema), (answer) =>
      Console.log(where.json ? JSON.stringify(answer) : text(answer))
    )

const status = Command.make("status", { ...where, json }, asking("GET", "status", Status, statusText)).pipe(
  Command.withDescription("How the application is: processes, state, restarts, sockets.")
)

const plan = Command.make(
  "plan",
  {
    ...where,
    json,
    mermaid: Flag.Boolean("mermaid").pipe(Flag.withDefault(false), Flag.withDescription("Print a Mermaid diagram")),
    kubernetes: Flag.Boolean("kubernetes").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Print manifests with the times of the plan; takes --image and --probes-port")
    ),
    image: Flag.String("image").pipe(Flag.optional, Flag.withDescription("Of the container, with its tag")),
    probesPort: Flag.Int("probes-port").pipe(Flag.optional, Flag.withDescription("Where HealthProbes listens")),
    port: Flag.Int("port").pipe(Flag.optional, Flag.withDescription("Where the application serves (default: nowhere)")),
    replicas: Flag.Int("replicas").pipe(Flag.optional, Flag.withDescription("Pods (default: 2)"))
  },
  Effect.fnUntraced(function* ({ json, kubernetes, mermaid, ...options }) {
    const image = Option.getOrUndefined(options.image)
    const probesPort = Option.getOrUndefined(options.probesPort)
    if (kubernetes && (image === undefined || probesPort === undefined)) {
      return yield* failed("--kubernetes takes --image and --probes-port as well", exitCodes.usage)
    }
    const plan = yield* answerOf({ ...options, json }, "GET", "plan", Plan.Plan)
    if (image === undefined || probesPort === undefined || !kubernetes) {
      return yield* Console.log(json ? JSON.stringify(plan) : mermaid ? Plan.mermaid(plan) : Plan.render(plan))
    }
    // It brings a YAML printer along, which nobody else needs.
    const KubernetesManifest = yield* Effect.promise(() => import("@quiesce/node/KubernetesManifest"))
    const manifests = KubernetesManifest.render({
      plan,
      image,
      probesPort,
      port: Option.getOrUndefined(options.port),
      replicas: Option.getOrUndefined(options.replicas)
    })
    const text = yield* Effect.fromResult(manifests).pipe(
      Effect.catchTag("KubernetesManifestError", ({ message, reason }) =>
        failed(message, reason === "name" ? exitCodes.usage : exitCodes.configuration)
      )
    )
    yield* Console.log(text.trimEnd())
  })
).pipe(
  Command.withDescription("What a stop of the application may take at worst, and manifests that leave it that time."),
  Command.withExamples([
    {
      command: "quiesce plan --kubernetes --image orders:1.2.3 --port 3000 --probes-port 9000",
      description: "Deployment, Service and PodDisruptionBudget"
    }
  ])
)

const reload = Command.make(
  "reload",
  { ...where, json },
  asking("POST", "reload", Reloaded, ({ generation, pid, replaced }) => {
    const leaving = replaced === null ? "" : `; pid ${replaced} finishes its work and leaves`
    return `generation ${generation} (pid ${pid}) serves${leaving}`
  })
).pipe(
  Command.withDescription(
    "Replace the application, when the new one is ready. If it is not, the old one goes on: exit code 1."
  )
)

const stop = Command.make(
  "stop",
  { ...where, json },
  asking("POST", "stop", Stopped, ({ exitCode }) => `stopped, with exit code ${exitCode}`)
).pipe(Command.withDescription("Stop the application, and wait for its end."))

export const quiesce = Command.make("quiesce").pipe(
  Command.withDescription("Run an application under supervision, and ask it how it is."),
  Command.withSubcommands([run, status, reload, stop, plan, service])
)
