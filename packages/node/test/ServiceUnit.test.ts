import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Result from "effect/Result"
import { afterAll, describe, expect, test } from "vitest"
import * as ServiceUnit from "../src/ServiceUnit.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-unit-"))
afterAll(() => rmSync(folder, { recursive: true }))

const guide = readFileSync(join(import.meta.dirname, "../../../docs/guide/10-service-managers.md"), "utf8")

const options: ServiceUnit.Options = {
  name: "orders",
  command: [process.execPath, "/srv/orders/main.js"],
  workingDirectory: "/srv/orders",
  gracePeriod: "25 seconds",
  scope: "system"
}

const unit = (more: Partial<ServiceUnit.Options> = {}): ReadonlyArray<string> =>
  Result.getOrThrow(ServiceUnit.render({ ...options, ...more })).split("\n")

const problem = (more: Partial<ServiceUnit.Options>): string =>
  Result.match(ServiceUnit.render({ ...options, ...more }), {
    onFailure: ({ message }) => message,
    onSuccess: (text) => `no problem: ${text}`
  })

describe("a unit for systemd", () => {
  test("is the same as the guide shows", () => {
    const lines = unit({ command: ["/usr/bin/node", "/srv/orders/main.js"], user: "orders", reload: true })
    const shown = lines.slice(0, lines.indexOf("NoNewPrivileges=yes"))
    expect(shown).toHaveLength(23)
    expect(guide).toContain(shown.join("\n"))
    expect(lines.slice(shown.length)).toEqual([
      "NoNewPrivileges=yes",
      "LockPersonality=yes",
      "RestrictRealtime=yes",
      "RestrictSUIDSGID=yes",
      "SystemCallArchitectures=native",
      "PrivateTmp=yes",
      "PrivateDevices=yes",
      "ProtectSystem=full",
      "ProtectClock=yes",
      "ProtectControlGroups=yes",
      "ProtectHostname=yes",
      "ProtectKernelLogs=yes",
      "ProtectKernelModules=yes",
      "ProtectKernelTunables=yes",
      "RestrictNamespaces=yes",
      "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
      "",
      "[Install]",
      "WantedBy=multi-user.target",
      ""
    ])
  })

  test("waits five seconds longer than the application, in whole seconds", () => {
    expect(unit({ gracePeriod: 27_500 })).toContain("TimeoutStopSec=33")
    expect(unit({ gracePeriod: 27_500 })).toContain('Environment="QUIESCE_PLATFORM_GRACE=33 seconds"')
  })

  test("leaves the platform's grace to itself, whatever the environment says", () => {
    const lines = unit({ environment: { QUIESCE_PLATFORM_GRACE: "1 hour" } })
    expect(lines.filter((line) => line.includes("QUIESCE_PLATFORM_GRACE"))).toEqual([
      'Environment="QUIESCE_PLATFORM_GRACE=30 seconds"'
    ])
  })

  test("reloads only what can be reloaded, and waits for it where systemd can", () => {
    expect(unit().join("\n")).not.toMatch(/reload/i)
    expect(unit({ reload: true, systemdVersion: 253 })).toContain("Type=notify-reload")
    expect(unit({ reload: true, systemdVersion: 253 }).join("\n")).not.toContain("ExecReload")
  })

  test("of a user asks for nothing that only the machine can give", () => {
    const text = unit({ scope: "user", user: "somebody", watchdog: false, hardening: false }).join("\n")
    expect(text).toContain("WantedBy=default.target")
    expect(text).not.toMatch(/network-online|User=|WatchdogSec|Private|Protect|NoNewPrivileges/)
  })

  test("refuses what systemd would not take, and says what to do", () => {
    expect(problem({ name: "or ders" })).toBe(
      'the service "or ders" cannot be defined: its name may have letters, digits, . _ and - and begins with one of the first two'
    )
    expect(problem({ command: ["node", "main.js"] })).toContain('its command begins with "node": give the whole path')
    expect(problem({ command: [] })).toContain("give the whole path of the program")
    expect(problem({ workingDirectory: "." })).toContain('its working directory is "."')
    expect(problem({ gracePeriod: "Infinity" })).toContain("its grace period is infinite")
    expect(problem({ environment: { "A B": "1" } })).toContain('"A B" is no name of an environment variable')
    expect(problem({ environment: { A: "1\nExecStartPre=/bin/evil" } })).toContain("a line break")
    expect(problem({ user: "orders\nType=oneshot" })).toContain("a line break")
  })
})

const verify = (file: string, text: string, scope: "system" | "user"): string => {
  writeFileSync(join(folder, file), text)
  const verified = spawnSync("systemd-analyze", ["verify", `--${scope}`, "--man=no", join(folder, file)], {
    encoding: "utf8",
    // A user's manager has a folder for its sockets.
    env: { ...process.env, XDG_RUNTIME_DIR: folder }
  })
  // It tells what it thinks of other units as well, and succeeds in spite of what is wrong with this one.
  return verified.stderr
    .split("\n")
    .filter((line) => line.includes(file) || line.includes("orders"))
    .join("\n")
}

const noTool = existsSync("/usr/bin/systemd-analyze") ? undefined : "there is no systemd-analyze"

describe.skipIf(noTool !== undefined)(`systemd-analyze verify${noTool === undefined ? "" : ` (${noTool})`}`, () => {
  test("finds mistakes", () => {
    expect(
      verify("orders.service", unit().join("\n").replace("KillMode=mixed", "KillMode=mostly"), "system")
    ).toContain("ignoring: mostly")
  })

  test.each(["system", "user"] as const)("has nothing to say about a %s unit", (scope) => {
    expect(verify("orders.service", unit({ scope, reload: true }).join("\n"), scope)).toBe("")
  })

  test("has nothing to say about a unit of strange texts", () => {
    const strange = String.raw`a "quoted" \ path $HOME ${"${HOME}"} 100% 'x' ; # =`
    const text = unit({
      scope: "user",
      command: [process.execPath, "-e", strange],
      description: strange,
      environment: { STRANGE: strange },
      workingDirectory: "/srv/100% orders"
    })
    expect(verify("orders.service", text.join("\n"), "user")).toBe("")
  })

  test("has nothing to say about the socket of a service", () => {
    writeFileSync(join(folder, "orders.service"), unit().join("\n"))
    const listen = ["127.0.0.1:8080", "/run/orders.sock"]
    const socket = ServiceUnit.renderSocket({ name: "orders", listen, scope: "system" })
    expect(verify("orders.socket", Result.getOrThrow(socket), "system")).toBe("")
  })
})
