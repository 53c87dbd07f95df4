/**
 * The report as text for a terminal or a log file.
 */
import type { Report } from "../Report.ts"
import * as StopReason from "../StopReason.ts"
import { formatMillis } from "./format.ts"

export interface TextOptions {
  readonly width: number
  readonly color: boolean
}

type Paint = (code: number, text: string) => string

const green = 32
const yellow = 33
const red = 31
const bold = 1
const dim = 2

/** Milliseconds: what was quicker is counted, not listed, unless something is to be said of it. */
export const worthARow = 1
const widestBar = 30

export const render = (report: Report, { color, width }: TextOptions): string => {
  const paint: Paint = (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
  const lines = [
    ...headline(report, paint, width),
    ...wrap(
      "  ",
      report.states.map(({ state, duration }) => `${state} ${formatMillis(duration)}`),
      " · ",
      width
    ),
    ...componentTable(report, paint, width),
    ...chain(report, width),
    ...list(
      "waited for",
      report.awaited.filter((wait) => wait.waited >= worthARow || wait.result !== "done").map(awaitedText),
      width
    ),
    ...list("critical sections", report.criticalSections.map(sectionText), width),
    ...list(
      paint(yellow, "unfinished"),
      report.stragglers.map(({ count, kind }) => `${count} ${kind}`),
      width
    ),
    ...list("restarted", report.tasks.filter((task) => task.restarts > 0).map(restartedText), width),
    ...report.failures.map((failure) => `  ${paint(red, "failed")}: ${failure}`),
    ...list(paint(yellow, "still holding the process"), report.lingering, width),
    ...report.advice.flatMap((advice) => wrap("  advice: ", advice.split(" "), " ", width))
  ]
  return lines.flatMap((line) => fold(line, width)).join("\n")
}

const headline = (report: Report, paint: Paint, width: number): ReadonlyArray<string> => {
  const failure = failureWord(report.reason)
  const verdict = {
    Clean: failure === "" ? paint(green, "stopped clean") : `${paint(red, failure)} and stopped clean`,
    Degraded: `${failure === "" ? "" : `${paint(red, failure)} and `}${paint(yellow, "stopped, degraded,")}`,
    TimedOut: paint(red, "ran out of time"),
    Forced: paint(red, "was forced out")
  }[report.outcome._tag]
  const time = `${formatMillis(report.duration)} of ${formatMillis(report.gracePeriod)}`
  const line = `${paint(bold, report.name)} ${verdict} ${report.outcome._tag === "Clean" || report.outcome._tag === "Degraded" ? "in" : "after"} ${time}`
  const why = `${StopReason.describe(report.reason)}, exit code ${report.exitCode}`
  return plainLength(line) + why.length + 3 <= width ? [`${line} (${why})`] : [line, `  ${why}`]
}

/** What went wrong before the stop, in a word; empty where the stop was wanted. */
const failureWord = (reason: StopReason.StopReason): string =>
  reason._tag === "StartFailed"
    ? "could not start"
    : reason._tag === "Crash"
      ? "crashed"
      : StopReason.isFailure(reason)
        ? "failed"
        : ""

const componentTable = (report: Report, paint: Paint, width: number): ReadonlyArray<string> => {
  const notable = report.components.filter((component) => component.working >= worthARow || component.end !== "stopped")
  const rest = report.components.length - notable.length
  const summary =
    rest === 0
      ? []
      : [
          `  ${paint(dim, `${rest} ${notable.length === 0 ? "" : "more "}component${rest === 1 ? "" : "s"} released in under ${worthARow} ms each`)}`
        ]
  if (notable.length === 0) return summary
  const ordered = notable.toSorted((a, b) => a.waiting - b.waiting)
  const total = Math.max(...notable.map((component) => component.waiting + component.working), 1)
  const endOf = (component: Report["components"][number]): string =>
    component.end === "stopped" ? "" : ` ${component.end === "running" ? "not released" : component.end}`
  const endWidth = Math.max(...notable.map((component) => endOf(component).length))
  const nameWidth = Math.min(
    Math.max(...notable.map((component) => component.name.length), 9),
    Math.max(width - 23 - endWidth, 9)
  )
  const barWidth = Math.min(width - nameWidth - endWidth - 25, widestBar)
  const header = `  ${"component".padEnd(nameWidth)}  ${"waiting".padStart(9)} ${"working".padStart(9)}`
  return [
    paint(dim, header),
    ...ordered.map((component) => {
      const numbers = `${formatMillis(component.waiting).padStart(9)} ${formatMillis(component.working).padStart(9)}`
      const row = `  ${truncate(component.name, nameWidth).padEnd(nameWidth)}  ${numbers}`
      const end = component.end === "stopped" ? "" : paint(red, endOf(component))
      return `${row}${barWidth >= 8 ? `  ${bar(component.waiting, component.working, total, barWidth)}` : ""}${end}`.trimEnd()
    }),
    ...summary
  ]
}

const bar = (waiting: number, working: number, total: number, width: number): string => {
  const from = Math.min(Math.floor((waiting / total) * width), width - 1)
  const length = working === 0 ? 0 : Math.max(Math.round((working / total) * width), 1)
  return `${" ".repeat(from)}${"█".repeat(Math.min(length, width - from))}`
}

const chain = (report: Report, width: number): ReadonlyArray<string> => {
  const links = report.criticalChain.filter((link) => link.working >= worthARow)
  return links.length < 2
    ? []
    : wrap(
        "  critical chain: ",
        links.map((link) => `${truncate(link.name, Math.max(width - 28, 9))} ${formatMillis(link.working)}`),
        " > ",
        width
      )
}

const awaitedText = (wait: Report["awaited"][number]): string =>
  `${wait.name} ${formatMillis(wait.waited)}${wait.result === "done" ? "" : ` (${wait.result})`}`

const sectionText = (section: Report["criticalSections"][number]): string =>
  `${section.name} ${formatMillis(section.waited)}${section.exceeded ? " (exceeded its limit)" : ""}`

const restartedText = ({ name, restarts }: Report["tasks"][number]): string =>
  restarts === 1 ? name : `${name} ${restarts} times`

const list = (title: string, items: ReadonlyArray<string>, width: number): ReadonlyArray<string> =>
  items.length === 0 ? [] : wrap(`  ${title}: `, items, ", ", width)

/** Breaks between items where that is possible; an item that is too long for a line is folded later. */
const wrap = (
  prefix: string,
  items: ReadonlyArray<string>,
  separator: string,
  width: number
): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = prefix
  let empty = true
  for (const item of items) {
    const next = empty ? `${line}${item}` : `${line}${separator}${item}`
    if (!empty && plainLength(`${next}${separator}`.trimEnd()) > width) {
      lines.push(`${line}${separator}`.trimEnd())
      line = `    ${item}`
    } else line = next
    empty = false
  }
  return empty ? lines : [...lines, line]
}

/** Breaks a line that is too long between words, never between a number and its unit; what follows is indented. */
const fold = (text: string, width: number): ReadonlyArray<string> => {
  if (plainLength(text) <= width) return [text]
  const indent = text.slice(0, text.length - text.trimStart().length)
  const lines: Array<string> = []
  let line = indent
  for (const word of text.trimStart().split(/ (?!(?:ms|s|min)\b)/)) {
    const next = line.trim() === "" ? `${line}${word}` : `${line} ${word}`
    const breaks = plainLength(next) > width && line.trim() !== ""
    if (breaks) lines.push(line.trimEnd())
    line = breaks ? `${indent}    ${word}` : next
  }
  return [...lines, line]
}

const truncate = (text: string, width: number): string => (text.length <= width ? text : `${text.slice(0, width - 1)}…`)

// eslint-disable-next-line no-control-regex -- colour codes are control characters, and take no room on the line
const plainLength = (text: string): number => text.replace(/\u001b\[\d+m/g, "").length
