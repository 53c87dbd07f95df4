/** Durations of the command line: `500ms`, `10s`, `2m`, `1h`, or in Effect's words, "10 seconds". */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

const units: Readonly<Record<string, Duration.Unit>> = { ms: "millis", s: "seconds", m: "minutes", h: "hours" }

/** Throws an error whose message says what was expected. */
export const parseDuration = (text: string): Duration.Duration => {
  const { amount, unit } = /^(?<amount>\d+(?:\.\d+)?)\s*(?<unit>ms|s|m|h)$/.exec(text)?.groups ?? {}
  const words = units[unit ?? ""] === undefined ? text : `${amount} ${units[unit ?? ""]}`
  const duration = Option.getOrUndefined(Duration.fromInput(words as Duration.Input))
  if (duration === undefined || !Duration.isFinite(duration) || Duration.isNegative(duration)) {
    throw new Error('a number and its unit, for example 500ms, 10s, 2m or "10 seconds"')
  }
  return duration
}
