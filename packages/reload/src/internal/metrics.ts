/** What an operator wants to see on a board: which configuration is in force, since when, and whether one was refused. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const version = Metric.gauge("quiesce_config_version", {
  description: "Counts the configurations that were put in force; 1 is the one of the start"
})
const lastSuccess = Metric.gauge("quiesce_config_last_success_seconds", {
  description: "When a reload last succeeded, an unchanged one included: seconds since 1970"
})
const rejected = Metric.gauge("quiesce_config_rejected", { description: "How many reloads have failed" })

export const record = (
  name: string,
  state: { readonly version: number; readonly lastSuccess: number; readonly rejected: number }
): Effect.Effect<void> => {
  const set = (metric: Metric.Gauge<number>, value: number) =>
    Metric.update(Metric.withAttributes(metric, { config: name }), value)
  return Effect.all(
    [set(version, state.version), set(lastSuccess, state.lastSuccess / 1000), set(rejected, state.rejected)],
    { discard: true }
  )
}
