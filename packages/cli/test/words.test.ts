// What can be typed on the command line, and what applications write into the notify pipe.
import * as Duration from "effect/Duration"
import { describe, expect, test } from "vitest"
import { parseDuration } from "../src/internal/duration.ts"
import { parseListenAddress } from "../src/internal/ListenAddress.ts"
import { type Message, NotifyReader } from "../src/internal/NotifyReader.ts"

describe("--listen", () => {
  test.each([
    ["3000", { name: undefined, host: "::", port: 3000 }],
    ["127.0.0.1:0", { name: undefined, host: "127.0.0.1", port: 0 }],
    ["web=[::1]:8080", { name: "web", host: "::1", port: 8080 }],
    ["web=80", { name: "web", host: "::", port: 80 }],
    ["/run/app.sock", { name: "app.sock", path: "/run/app.sock" }],
    ["web=/run/a=b.sock", { name: "web", path: "/run/a=b.sock" }],
    ["./app.sock", { name: "app.sock", path: `${process.cwd()}/app.sock` }]
  ])("understands %s", (text, address) => expect(parseListenAddress(text)).toEqual(address))

  test.each(["", "x", "65536", "1:2:3", "[::1]", "a b=3", "=3000", "/run/", "web=/a:b", "app.sock"])(
    "refuses %j, and says what it wants",
    (text) => expect(() => parseListenAddress(text)).toThrow("[name=][host:]port")
  )

  test.each(["localhost:3000", "[127.0.0.1]:3000", ":3000", "::1:3000"])("refuses %s: no numeric address", (text) =>
    expect(() => parseListenAddress(text)).toThrow(/127\.0\.0\.1/)
  )
})

describe("durations", () => {
  test.each([
    ["500ms", 500],
    ["10s", 10_000],
    ["1.5m", 90_000],
    ["1h", 3_600_000],
    ["2 seconds", 2000]
  ])("%s", (text, millis) => expect(Duration.toMillis(parseDuration(text))).toBe(millis))

  test.each(["", "10", "s", "-1s", "10 apples", "Infinity"])("%j is none", (text) =>
    expect(() => parseDuration(text)).toThrow("a number and its unit")
  )
})

describe("the notify pipe", () => {
  const read = (...chunks: ReadonlyArray<string>): ReadonlyArray<Message> => {
    const messages: Array<Message> = []
    const reader = new NotifyReader((message) => messages.push(message))
    for (const chunk of chunks) reader.read(chunk)
    return messages
  }

  test("has messages of lines, however they are cut on their way", () => {
    const text = "READY=1\nSTATUS=a=b\n\nSTOPPING=1\n\n"
    const expected = [
      new Map([
        ["READY", "1"],
        ["STATUS", "a=b"]
      ]),
      new Map([["STOPPING", "1"]])
    ]
    expect(read(text)).toEqual(expected)
    expect(read(...text.split(/(?:)/))).toEqual(expected)
  })

  test("may carry nonsense, which is left out", () => {
    expect(read("hello\n\n=1\n\n\n\n\nREADY=1\nnonsense\n\n")).toEqual([new Map([["READY", "1"]])])
  })

  test("does not fill the memory when nobody ends a message", () => {
    expect(read("x".repeat(5_000_000), "\n\nREADY=1\n\n")).toEqual([new Map([["READY", "1"]])])
  })
})
