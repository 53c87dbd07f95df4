/**
 * How each platform's service manager is told of a service: a file, and a few commands.
 */
import * as LaunchdPlist from "@quiesce/node/LaunchdPlist"
import type { ServiceDefinition, ServiceDefinitionError } from "@quiesce/node/ServiceDefinition"
import * as ServiceUnit from "@quiesce/node/ServiceUnit"
import * as WindowsService from "@quiesce/node/WindowsService"
import type * as Result from "effect/Result"
import { spawnSync } from "node:child_process"
import { homedir } from "node:os"
import { basename, join } from "node:path"

export type Scope = "user" | "system"

type Command = ReadonlyArray<string>

export interface Definition extends ServiceDefinition {
  /** Whom a service of the machine runs as. */
  readonly runAs: string | undefined
}

export interface ServiceFiles {
  readonly file: (name: string) => string
  readonly text: (definition: Definition) => Result.Result<string, ServiceDefinitionError>
  /** Each has to succeed. */
  readonly install: (name: string) => ReadonlyArray<Command>
  /** Before the file is removed; what is not installed, or does not run, is no failure. */
  readonly uninstall: (name: string) => ReadonlyArray<Command>
  readonly afterRemoval: ReadonlyArray<Command>
  /** What is left to do by hand. */
  readonly advice: string | undefined
}

/** Undefined where nobody would start it. */
export const serviceFiles = (platform: NodeJS.Platform, scope: Scope): ServiceFiles | undefined => {
  switch (platform) {
    case "linux":
      return systemd(scope)
    case "darwin":
      return launchd(scope)
    case "win32":
      return winsw
    default:
      return undefined
  }
}

const systemd = (scope: Scope): ServiceFiles => {
  const manager = scope === "user" ? ["systemctl", "--user"] : ["systemctl"]
  const users = join(process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "systemd/user")
  return {
    file: (name) => join(scope === "user" ? users : "/etc/systemd/system", `${name}.service`),
    text: ({ runAs, ...definition }) =>
      ServiceUnit.render({
        ...definition,
        scope,
        user: runAs,
        reload: isSupervisor(definition.command),
        systemdVersion: systemdVersion()
      }),
    install: (name) => [
      [...manager, "daemon-reload"],
      [...manager, "enable", name],
      // Also where an older one runs already.
      [...manager, "restart", name]
    ],
    uninstall: (name) => [[...manager, "disable", "--now", name]],
    afterRemoval: [[...manager, "daemon-reload"]],
    advice: undefined
  }
}

const launchd = (scope: Scope): ServiceFiles => {
  const domain = scope === "user" ? `gui/${process.getuid?.() ?? 0}` : "system"
  const folder = scope === "user" ? join(homedir(), "Library/LaunchAgents") : "/Library/LaunchDaemons"
  const file = (name: string): string => join(folder, `${name}.plist`)
  return {
    file,
    text: ({ runAs, ...definition }) => LaunchdPlist.render({ ...definition, user: runAs }),
    install: (name) => [["launchctl", "bootstrap", domain, file(name)]],
    uninstall: (name) => [["launchctl", "bootout", `${domain}/${name}`]],
    afterRemoval: [],
    advice: undefined
  }
}

const winsw: ServiceFiles = {
  file: (name) => join(process.cwd(), `${name}.xml`),
  text: ({ runAs: _runAs, ...definition }) => WindowsService.render(definition),
  install: () => [],
  uninstall: () => [],
  afterRemoval: [],
  advice:
    "put WinSW.exe beside it under the same name, and run it with the word install (or uninstall) as an administrator"
}

/** There SIGHUP replaces the application. */
const isSupervisor = ([program = "", ...args]: ReadonlyArray<string>): boolean =>
  [program, ...args.slice(0, 1)].some((word) => basename(word) === "quiesce") && args.includes("run")

/** Undefined where there is none: the unit is written for later. */
const systemdVersion = (): number | undefined => {
  const { stdout } = spawnSync("systemctl", ["--version"], { encoding: "utf8" })
  const version = /^systemd (\d+)/.exec(stdout ?? "")?.[1]
  return version === undefined ? undefined : Number(version)
}
