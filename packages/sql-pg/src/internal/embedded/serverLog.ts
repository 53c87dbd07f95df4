/**
 * What Postgres said, cut to what an error message can hold.
 */
import { existsSync, readFileSync } from "node:fs"

/** Everything from `offset` bytes on. */
export const since = (log: string, offset: number): string =>
  existsSync(log) ? readFileSync(log).subarray(offset).toString("utf8") : ""

/** The first reason in `text` (PANIC, FATAL, ERROR and their DETAIL and HINT lines), else its last line. */
export const reasonIn = (text: string): string => {
  const lines = text.split("\n").flatMap((line) => {
    const bare = line.replace(/^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\] /, "").trim()
    return bare === "" ? [] : [bare]
  })
  const serious = lines.filter((line) => /(^|\s)(PANIC|FATAL|ERROR|DETAIL|HINT|error|fatal):/.test(line))
  const words = (serious.length > 0 ? serious.slice(0, 3) : lines.slice(-1)).map((line) =>
    line.replace(/^\w+: {1,2}/, "").replace(/\.$/, "")
  )
  return words.length === 0 ? "it said nothing" : words.join("; ")
}

export const excerpt = (log: string, offset = 0): string => reasonIn(since(log, offset))
