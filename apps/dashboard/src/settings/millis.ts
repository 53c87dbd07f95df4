/**
 * Durations as people write them into an environment variable: "25 seconds", "500 ms", "2m".
 *
 * No imports: `main.ts` needs it before anything else is loaded.
 */
const units: Readonly<Record<string, number>> = {
  ms: 1,
  milli: 1,
  millis: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000
}

/** Milliseconds; `undefined` when the text is no duration. The unit is required: is 25 seconds or milliseconds? */
export const parseMillis = (text: string): number | undefined => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim()) ?? []
  const factor = unit === undefined ? undefined : units[unit]
  return factor === undefined ? undefined : Number(amount) * factor
}
