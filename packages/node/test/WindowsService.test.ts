import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Result from "effect/Result"
import { describe, expect, test } from "vitest"
import type { ServiceDefinition } from "../src/ServiceDefinition.ts"
import * as WindowsService from "../src/WindowsService.ts"
import { noPython, python } from "./support/python.ts"

const guide = readFileSync(join(import.meta.dirname, "../../../docs/guide/10-service-managers.md"), "utf8")

const options: ServiceDefinition = {
  name: "orders",
  description: "Orders & more",
  command: [String.raw`C:\Program Files\nodejs\node.exe`, "main.js"],
  workingDirectory: String.raw`C:\orders`,
  gracePeriod: "25 seconds"
}

const render = (more: Partial<ServiceDefinition> = {}): string =>
  Result.getOrThrow(WindowsService.render({ ...options, ...more }))

/** What `CommandLineToArgvW` documents, which Node's own start on Windows follows. */
const takeApart = (line: string): ReadonlyArray<string> => {
  const args: Array<string> = []
  let [arg, begun, quoted] = ["", false, false]
  for (const [, backslashes = "", quote, space, other] of line.matchAll(/(\\*)(?:(")|(\s)|([^\\"\s]|$))/g)) {
    arg += "\\".repeat(quote === undefined ? backslashes.length : Math.floor(backslashes.length / 2))
    begun ||= backslashes !== "" || quote !== undefined || (other ?? "") !== ""
    if (quote !== undefined && backslashes.length % 2 === 1) arg += quote
    else if (quote !== undefined) quoted = !quoted
    else if (space !== undefined && !quoted) {
      if (begun) args.push(arg)
      ;[arg, begun] = ["", false]
    } else arg += space ?? other ?? ""
  }
  return begun ? [...args, arg] : args
}

describe("a service for Windows", () => {
  test("is the same as the guide shows", () => {
    const lines = render().split("\n")
    expect(lines[0]).toBe(`<?xml version="1.0" encoding="UTF-8"?>`)
    expect(guide).toContain(lines.slice(1, 13).join("\n"))
    expect(lines.slice(13)).toEqual([
      `  <onfailure action="restart" delay="1 sec"/>`,
      `  <onfailure action="restart" delay="5 sec"/>`,
      `  <onfailure action="restart" delay="1 min"/>`,
      "  <resetfailure>1 hour</resetfailure>",
      `  <log mode="roll-by-size"/>`,
      "</service>",
      ""
    ])
  })

  test.skipIf(noPython !== undefined)("passes strange arguments on as they are", () => {
    const args = ["", "a b", 'say "hi"', String.raw`C:\end\ `, "C:\\end\\", String.raw`\\"`, "<&>", "100%", "'x'"]
    const text = render({ command: [...options.command.slice(0, 1), ...args], environment: { A: '<"&">' } })
    const parsed = python(
      "import json, sys, xml.dom.minidom as m; d = m.parseString(sys.stdin.buffer.read()); " +
        "print(json.dumps([d.getElementsByTagName('arguments')[0].firstChild.data, " +
        "d.getElementsByTagName('env')[0].getAttribute('value')]))",
      text
    ) as [string, string]
    expect(takeApart(parsed[0])).toEqual(args)
    expect(parsed[1]).toBe('<"&">')
  })

  test("refuses a text that WinSW would not leave alone", () => {
    for (const more of [{ environment: { A: "%PATH%" } }, { description: "%PATH%" }]) {
      const failed = WindowsService.render({ ...options, ...more })
      expect(Result.isFailure(failed) && failed.failure.message).toBe(
        'the service "orders" cannot be defined: WinSW would take what is between the % in "%PATH%" for the name of a variable: write its value'
      )
    }
  })
})
