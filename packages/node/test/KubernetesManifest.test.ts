import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import type { Deployment } from "kubernetes-types/apps/v1.js"
import type { PodSpec, Service } from "kubernetes-types/core/v1.js"
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js"
import * as App from "quiesce/App"
import * as Component from "quiesce/Component"
import { parseAllDocuments } from "yaml"
import { deployment, disruptionBudget, type Pods, service } from "../src/internal/kubernetes.ts"
import * as KubernetesManifest from "../src/KubernetesManifest.ts"

const guide = readFileSync(join(import.meta.dirname, "../../../docs/guide/10-service-managers.md"), "utf8")

const Database = Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.void)).pipe(
  Component.make("database", { stopTimeout: "4 seconds" })
)

/** Of an application that needs 16 s of its 20 s at worst: 5 + 5 + 4 + 2. */
const budgets: App.Options = { name: "orders", gracePeriod: "20 seconds", drain: "5 seconds", interrupt: "5 seconds" }

const render = (
  of: App.Options,
  more: Partial<KubernetesManifest.Options> = {}
): Effect.Effect<Result.Result<string, KubernetesManifest.KubernetesManifestError>, App.PlanError> =>
  Effect.gen(function* () {
    const planning = yield* Effect.forkChild(App.plan(Database, of), { startImmediately: true })
    // To plan an application is to start and stop it.
    yield* TestClock.adjust("1 minute")
    const plan = yield* Fiber.join(planning)
    return KubernetesManifest.render({ plan, image: "orders:1.2.3", probesPort: 9000, port: 3000, ...more })
  })

interface Documents {
  readonly Service?: Service
  readonly Deployment?: Deployment
  readonly PodDisruptionBudget?: PodDisruptionBudget
}

const documents = (yaml: string): Documents =>
  Object.fromEntries(parseAllDocuments(yaml).map((document) => [document.toJS().kind, document.toJS()]))

const podIn = (yaml: string): PodSpec => {
  const pod = documents(yaml).Deployment?.spec?.template.spec
  if (pod === undefined) throw new Error(`there is no pod in ${yaml}`)
  return pod
}

/** What the pod is given: until the kill, before SIGTERM, and from SIGTERM on. */
const times = (rendered: Result.Result<string, KubernetesManifest.KubernetesManifestError>): unknown => {
  const { containers, terminationGracePeriodSeconds } = podIn(Result.getOrThrow(rendered))
  const grace = containers[0]?.env?.find(({ name }) => name === "QUIESCE_PLATFORM_GRACE")?.value
  return [terminationGracePeriodSeconds, containers[0]?.lifecycle?.preStop?.sleep?.seconds ?? 0, grace]
}

/** Names of fields that `A` has and `B`, a type of the API (version 1.30), has not, at any depth. */
type Unknown<A, B> =
  A extends ReadonlyArray<infer X>
    ? B extends ReadonlyArray<infer Y>
      ? Unknown<X, Y>
      : never
    : A extends object
      ? { [K in keyof A]-?: K extends keyof B ? Unknown<NonNullable<A[K]>, NonNullable<B[K]>> : K }[keyof A]
      : never

type NoneOf<A> = [A] extends [never] ? true : A

const failure = (rendered: Result.Result<string, KubernetesManifest.KubernetesManifestError>): string =>
  Result.isFailure(rendered) ? `${rendered.failure.reason}: ${rendered.failure.message}` : "no failure"

describe("the manifests of an application", () => {
  it.effect("are a Service, a Deployment with the three probes, and a PodDisruptionBudget", () =>
    Effect.gen(function* () {
      const yaml = Result.getOrThrow(yield* render(budgets))
      const all = documents(yaml)
      expect(Object.keys(all)).toEqual(["Service", "Deployment", "PodDisruptionBudget"])
      expect(podIn(yaml).containers[0]).toMatchObject({
        name: "orders",
        image: "orders:1.2.3",
        ports: [
          { name: "http", containerPort: 3000 },
          { name: "probes", containerPort: 9000 }
        ],
        startupProbe: { httpGet: { path: "/startupz", port: "probes" }, periodSeconds: 2, failureThreshold: 60 },
        readinessProbe: { httpGet: { path: "/readyz", port: "probes" } },
        livenessProbe: { httpGet: { path: "/livez", port: "probes" } }
      })
      const labels = { "app.kubernetes.io/name": "orders" }
      expect(all.Service?.spec).toEqual({
        selector: labels,
        ports: [{ name: "http", port: 3000, targetPort: "http" }]
      })
      expect(all.Deployment?.spec?.selector.matchLabels).toEqual(labels)
      expect(all.PodDisruptionBudget?.spec).toEqual({ selector: { matchLabels: labels }, maxUnavailable: 1 })
    })
  )

  it.effect("give more than the grace period, and tell the application what it has after its signal", () =>
    Effect.gen(function* () {
      const rendered = yield* render(budgets)
      expect(times(rendered)).toEqual([30, 5, "25 seconds"])
      const shown = /```yaml\n(.*?)```/s.exec(guide)?.[1]
      expect(Result.getOrThrow(rendered)).toContain(shown)
    })
  )

  it.effect("leave the serving of a pod that goes to its own lame duck, as far as that is long enough", () =>
    Effect.gen(function* () {
      expect(times(yield* render({ ...budgets, lameDuck: "2 seconds" }))).toEqual([28, 3, "25 seconds"])
      expect(times(yield* render({ ...budgets, gracePeriod: "30 seconds", lameDuck: "6 seconds" }))).toEqual([
        35,
        0,
        "35 seconds"
      ])
    })
  )

  it.effect("of an application that serves nobody have no Service, and its pods go at once", () =>
    Effect.gen(function* () {
      const rendered = yield* render(budgets, { port: undefined })
      expect(times(rendered)).toEqual([25, 0, "25 seconds"])
      expect(Object.keys(documents(Result.getOrThrow(rendered)))).toEqual(["Deployment", "PodDisruptionBudget"])
    })
  )

  it.effect("give the worst case, where the grace period would cut it short", () =>
    Effect.gen(function* () {
      // 10 + 5 + 4 + 2 by default: 21 s of 20.
      expect(times(yield* render({ name: "orders", gracePeriod: "20 seconds" }, { port: undefined }))).toEqual([
        26,
        0,
        "26 seconds"
      ])
    })
  )

  it.effect("are refused when a pod would be killed while it stops", () =>
    Effect.gen(function* () {
      expect(failure(yield* render(budgets, { terminationGracePeriod: "25 seconds" }))).toBe(
        "grace: there are no manifests of this application: a pod would be killed after 25 s, and its stop can take 20 s, " +
          "after 5 s in which it still serves: raise terminationGracePeriod to 26 s or more, or lower the budgets"
      )
      expect(times(yield* render(budgets, { terminationGracePeriod: "26 seconds" }))).toEqual([26, 5, "21 seconds"])
      const tight = { name: "orders", gracePeriod: "20 seconds" } as const
      expect(failure(yield* render(tight, { port: undefined, terminationGracePeriod: "21 seconds" }))).toContain(
        "can take 21 s"
      )
    })
  )

  it.effect("are refused when what was asked for does not fit the grace period", () =>
    Effect.gen(function* () {
      expect(failure(yield* render({ ...budgets, gracePeriod: "10 seconds" }))).toMatch(
        /^plan: there are no manifests of this application: what was asked for takes up to 1\d s/
      )
    })
  )

  it.effect("are refused under a name that Kubernetes does not accept", () =>
    Effect.gen(function* () {
      for (const name of ["My App", "9lives", "a_b", "trailing-", "", "a".repeat(64)])
        expect(failure(yield* render(budgets, { name }))).toMatch(/^name: .* is no name for Kubernetes/)
      expect(failure(yield* render(budgets, { name: "a".repeat(63) }))).toBe("no failure")
    })
  )

  it.effect("keep every text a text", () =>
    Effect.gen(function* () {
      const words = ["yes", "on", "off", "y", "NO", "Null", "~", "", "=", "<<", ".inf", "a: b\n- c #", "plain"]
      const characters = ["a\u2028b", "a\u2029b", "a\u0085b", "a\u007Fb", "a\u009Fb", "caf\u00E9", "\u{1F680}"]
      const numbers = ["0123", "08", "0o17", "0x1F", "1e3", "1_000", "12:30", "+1", "2026-01-01"]
      const environment = Object.fromEntries(
        [...words, ...numbers, ...characters].map((text, index) => [`TEXT_${index}`, text])
      )
      const options = { environment: { ...environment, YES: "", N: "" }, namespace: "shop", name: "on" }
      const yaml = Result.getOrThrow(yield* render(budgets, options))
      // What the readers of YAML take for the end of a line, or do not take at all.
      expect(yaml).not.toMatch(/[\u007F-\u009F\u2028\u2029]/)
      // Kubernetes reads the older YAML, and others who check the file may read the newer.
      for (const version of ["1.1", "1.2"] as const) {
        const deployment = parseAllDocuments(yaml, { version })[1]?.toJS() as Deployment
        const container = deployment.spec?.template.spec?.containers[0]
        const env = container?.env?.map(({ name, value }) => [name, value])
        expect(Object.fromEntries(env ?? [])).toMatchObject(options.environment)
        expect([deployment.metadata?.name, container?.name]).toEqual(["on", "on"])
      }
      expect(parseAllDocuments(yaml).map((document) => document.toJS().metadata.namespace)).toEqual([
        "shop",
        "shop",
        "shop"
      ])
    })
  )

  it("have no field that Kubernetes does not know", () => {
    const pods: Pods = {
      name: "orders",
      namespace: "shop",
      image: "orders:1",
      replicas: 2,
      port: 1,
      probesPort: 2,
      environment: {},
      startSeconds: 1,
      preStopSeconds: 1,
      terminationSeconds: 1
    }
    const typed: readonly [Service, Deployment, PodDisruptionBudget] = [
      service(pods, 1),
      deployment(pods),
      disruptionBudget(pods)
    ]
    expect(typed.map(({ kind }) => kind)).toEqual(["Service", "Deployment", "PodDisruptionBudget"])
    const known: readonly [
      NoneOf<Unknown<ReturnType<typeof service>, Service>>,
      NoneOf<Unknown<ReturnType<typeof deployment>, Deployment>>,
      NoneOf<Unknown<ReturnType<typeof disruptionBudget>, PodDisruptionBudget>>
    ] = [true, true, true]
    expect(known).toEqual([true, true, true])
  })
})
