/**
 * The objects of the manifests, as Kubernetes' own API describes them.
 */
export interface Pods {
  readonly name: string
  readonly namespace: string | undefined
  readonly image: string
  readonly replicas: number
  readonly port: number | undefined
  readonly probesPort: number
  readonly environment: Readonly<Record<string, string>>
  readonly startSeconds: number
  readonly preStopSeconds: number
  readonly terminationSeconds: number
}

const labels = ({ name }: Pods) => ({ "app.kubernetes.io/name": name })

const metadata = (pods: Pods) => ({
  name: pods.name,
  ...(pods.namespace === undefined ? {} : { namespace: pods.namespace }),
  labels: labels(pods)
})

export const service = (pods: Pods, port: number) => ({
  apiVersion: "v1" as const,
  kind: "Service" as const,
  metadata: metadata(pods),
  spec: { selector: labels(pods), ports: [{ name: "http", port, targetPort: "http" }] }
})

export const disruptionBudget = (pods: Pods) => ({
  apiVersion: "policy/v1" as const,
  kind: "PodDisruptionBudget" as const,
  metadata: metadata(pods),
  spec: { selector: { matchLabels: labels(pods) }, maxUnavailable: 1 }
})

export const deployment = (pods: Pods) => ({
  apiVersion: "apps/v1" as const,
  kind: "Deployment" as const,
  metadata: metadata(pods),
  spec: {
    replicas: pods.replicas,
    selector: { matchLabels: labels(pods) },
    // The new pod is ready before an old one is told to go.
    strategy: { type: "RollingUpdate" as const, rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    template: {
      metadata: { labels: labels(pods) },
      spec: { terminationGracePeriodSeconds: pods.terminationSeconds, containers: [container(pods)] }
    }
  }
})

const startupPeriod = 2

const container = (pods: Pods) => ({
  name: pods.name,
  image: pods.image,
  env: Object.entries(pods.environment).map(([name, value]) => ({ name, value })),
  ports: [
    ...(pods.port === undefined ? [] : [{ name: "http", containerPort: pods.port }]),
    { name: "probes", containerPort: pods.probesPort }
  ],
  startupProbe: {
    ...probe("/startupz"),
    periodSeconds: startupPeriod,
    failureThreshold: Math.ceil(pods.startSeconds / startupPeriod)
  },
  readinessProbe: { ...probe("/readyz"), periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 },
  livenessProbe: { ...probe("/livez"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  ...(pods.preStopSeconds === 0 ? {} : { lifecycle: { preStop: { sleep: { seconds: pods.preStopSeconds } } } }),
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" }
  }
})

const probe = (path: string) => ({ httpGet: { path, port: "probes" } })
