/**
 * The manifests of an application for Kubernetes, whose times come from the plan of its stop.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Plan } from "quiesce/Plan"
import { formatMillis } from "quiesce/Report"
import { Document, visit } from "yaml"
import { deployment, disruptionBudget, type Pods, service } from "./internal/kubernetes.ts"
import { margin } from "./ServiceDefinition.ts"

export interface Options {
  /** See `App.plan` and `Lifecycle.plan`. */
  readonly plan: Plan
  /** The image of the container, with its tag. */
  readonly image: string
  /** Where `HealthProbes` listens. Kubernetes asks from outside: let it listen on `0.0.0.0`. */
  readonly probesPort: number
  /**
   * Where the application serves.
   *
   * @default none: it serves nobody, gets no Service, and nobody has to be told that it goes
   */
  readonly port?: number | undefined
  /**
   * Lower-case letters, digits and `-`.
   *
   * @default the name of the application
   */
  readonly name?: string | undefined
  /**
   * @default none: where it is applied decides
   */
  readonly namespace?: string | undefined
  /**
   * @default 2: one of them can go while the other serves
   */
  readonly replicas?: number | undefined
  readonly environment?: Readonly<Record<string, string>> | undefined
  /**
   * How long the start may take before the container is killed and started anew.
   *
   * @default 2 minutes
   */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * `terminationGracePeriodSeconds`, in whole seconds: from the decision to delete a pod to its kill.
   *
   * @default the longest stop, the seconds in which the others are told, and 5 seconds
   */
  readonly terminationGracePeriod?: Duration.Input | undefined
}

/**
 * - `name`: Kubernetes does not accept the name.
 * - `plan`: what the application asks for does not fit its own grace period.
 * - `grace`: `terminationGracePeriod` is shorter than the longest stop.
 */
export class KubernetesManifestError extends Schema.TaggedError<KubernetesManifestError>()("KubernetesManifestError", {
  reason: Schema.Literals(["name", "plan", "grace"]),
  problem: Schema.String
}) {
  override get message(): string {
    return `there are no manifests of this application: ${this.problem}`
  }
}

/**
 * Seconds in which a pod that goes still gets new connections: its removal from the endpoints begins when the pod is told to
 * stop, not before, and takes this long to reach every proxy.
 */
const spreadSeconds = 5

/**
 * The text of a Deployment, a Service where there is a port, and a PodDisruptionBudget, as one YAML file.
 *
 * **When to use**: `quiesce plan --kubernetes` calls it. It is a beginning: add resources, volumes and the rest with what you
 * deploy with, and leave the times.
 *
 * **Details**
 * - `terminationGracePeriodSeconds` is more than the plan's worst case and than the grace period, and the application compares
 *   it with its own budgets at each start (QUIESCE_PLATFORM_GRACE).
 * - A pod that goes still serves for 5 seconds: in its own lame duck, if that is as long, else by a `preStop` sleep for the rest
 *   (Kubernetes 1.30 and later), which counts against `terminationGracePeriodSeconds` but not against the grace period.
 * - The probes are those of `HealthProbes`: `/startupz`, `/readyz`, `/livez`.
 *
 * **Errors**: `KubernetesManifestError` rather than a pod that is killed while it stops.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as App from "quiesce/App"
 * import * as KubernetesManifest from "@quiesce/node/KubernetesManifest"
 *
 * declare const Main: Layer.Layer<never>
 *
 * const program = App.plan(Main, { name: "orders", gracePeriod: "25 seconds" }).pipe(
 *   Effect.flatMap((plan) =>
 *     Effect.fromResult(KubernetesManifest.render({ plan, image: "orders:1.2.3", port: 3000, probesPort: 9000 }))
 *   ),
 *   Effect.flatMap((yaml) => Effect.log(yaml))
 * )
 * ```
 */
export const render = (options: Options): Result.Result<string, KubernetesManifestError> =>
  Result.map(timesOf(options), (times) => {
    const pods = podsOf(options, times)
    const documents = [
      ...(pods.port === undefined ? [] : [service(pods, pods.port)]),
      deployment(pods),
      disruptionBudget(pods)
    ]
    const { gracePeriod, worstCase } = options.plan
    const head =
      `# The times are those of a plan with a grace period of ${formatMillis(gracePeriod)} and a worst case of ` +
      `${formatMillis(worstCase)}: make it anew when they change.\n`
    return head + documents.map(write).join("---\n")
  })

/** Kubernetes reads YAML 1.1, where `yes`, `on` and `08` are no texts: what could be anything else is quoted. */
const write = (object: unknown): string => {
  const document = new Document(object)
  visit(document, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value === "string" && !isPlain(scalar.value)) scalar.type = "QUOTE_DOUBLE"
    }
  })
  // Quoted as they are, each of these would be refused, or read as the end of a line.
  return document.toString({ lineWidth: 0 }).replaceAll(/[\u007F-\u009F\u2028\u2029]/g, escaped)
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

const isPlain = (text: string): boolean =>
  /^[A-Za-z/][\x20-\x7E]*$/.test(text) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(text)

interface Times {
  /** Until the pod is killed. */
  readonly total: number
  /** Before the application is told. */
  readonly preStop: number
}

const timesOf = (options: Options): Result.Result<Times, KubernetesManifestError> => {
  const { plan, port, terminationGracePeriod } = options
  const name = nameOf(options)
  const fail = (
    reason: KubernetesManifestError["reason"],
    problem: string
  ): Result.Result<never, KubernetesManifestError> => Result.fail(new KubernetesManifestError({ reason, problem }))
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
    return fail(
      "name",
      `"${name}" is no name for Kubernetes: use up to 63 lower-case letters, digits and "-", a letter first`
    )
  if (plan.verdict === "overrun") return fail("plan", plan.problems.join("; "))
  const preStop = port === undefined ? 0 : Math.max(spreadSeconds - Math.floor(plan.budgets.lameDuck / 1000), 0)
  const longest = Math.max(plan.gracePeriod, plan.worstCase)
  const needed = Math.ceil(longest / 1000) + preStop
  if (terminationGracePeriod === undefined)
    return Result.succeed({ total: needed + Duration.toSeconds(margin), preStop })
  const total = Math.floor(Duration.toSeconds(Duration.fromInputUnsafe(terminationGracePeriod)))
  // What is exactly as long would be killed in its last moment.
  if (total > needed) return Result.succeed({ total, preStop })
  return fail(
    "grace",
    `a pod would be killed after ${total} s, and its stop can take ${formatMillis(longest)}` +
      `${preStop === 0 ? "" : `, after ${preStop} s in which it still serves`}: ` +
      `raise terminationGracePeriod to ${needed + 1} s or more, or lower the budgets`
  )
}

const nameOf = ({ name, plan }: Options): string => name ?? plan.name

const podsOf = (options: Options, { preStop, total }: Times): Pods => ({
  name: nameOf(options),
  namespace: options.namespace,
  image: options.image,
  replicas: options.replicas ?? 2,
  port: options.port,
  probesPort: options.probesPort,
  environment: { ...options.environment, QUIESCE_PLATFORM_GRACE: `${total - preStop} seconds` },
  startSeconds: Duration.toSeconds(Duration.fromInputUnsafe(options.startTimeout ?? "2 minutes")),
  preStopSeconds: preStop,
  terminationSeconds: total
})
