import * as Result from "effect/Result"
import { describe, expect, test } from "vitest"
import * as LaunchdPlist from "../src/LaunchdPlist.ts"
import { noPython, python } from "./support/python.ts"

const strange = `<&> "both" 'quotes' \\ % ünïcode`

const options: LaunchdPlist.Options = {
  name: "com.example.orders",
  command: ["/opt/homebrew/bin/node", "/srv/orders/main.js"],
  workingDirectory: "/srv/orders",
  gracePeriod: "25 seconds"
}

const parse = (more: Partial<LaunchdPlist.Options> = {}): unknown =>
  python(
    "import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read(), fmt=plistlib.FMT_XML)))",
    Result.getOrThrow(LaunchdPlist.render({ ...options, ...more }))
  )

describe("a property list for launchd", () => {
  test("is one, down to its first line", () => {
    const text = Result.getOrThrow(LaunchdPlist.render(options))
    expect(text.split("\n").slice(0, 10)).toEqual([
      `<?xml version="1.0" encoding="UTF-8"?>`,
      `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">`,
      `<plist version="1.0">`,
      "<dict>",
      "  <key>Label</key>",
      "  <string>com.example.orders</string>",
      "  <key>ProgramArguments</key>",
      "  <array>",
      "    <string>/opt/homebrew/bin/node</string>",
      "    <string>/srv/orders/main.js</string>"
    ])
  })

  test.skipIf(noPython !== undefined)("says what to run, and waits longer than the application", () => {
    expect(parse()).toEqual({
      Label: "com.example.orders",
      ProgramArguments: ["/opt/homebrew/bin/node", "/srv/orders/main.js"],
      WorkingDirectory: "/srv/orders",
      EnvironmentVariables: { QUIESCE_PLATFORM_GRACE: "30 seconds" },
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 10,
      ExitTimeOut: 30
    })
  })

  test.skipIf(noPython !== undefined)("keeps strange texts as they are", () => {
    const command = ["/bin/node", strange]
    expect(
      parse({ command, environment: { A: strange }, user: "orders", logFile: "/var/log/a & b.log" })
    ).toMatchObject({
      ProgramArguments: command,
      EnvironmentVariables: { A: strange },
      UserName: "orders",
      StandardOutPath: "/var/log/a & b.log",
      StandardErrorPath: "/var/log/a & b.log"
    })
  })

  test("refuses what launchd could not run", () => {
    const failed = LaunchdPlist.render({ ...options, command: ["node"] })
    expect(Result.isFailure(failed) && failed.failure.message).toContain("give the whole path of the program")
  })
})
