/**
 * A property list for launchd, the service manager of macOS.
 */
import * as Result from "effect/Result"
import { check } from "./internal/definition.ts"
import { escapeXml } from "./internal/xml.ts"
import { killSeconds, type ServiceDefinition, type ServiceDefinitionError } from "./ServiceDefinition.ts"

export interface Options extends ServiceDefinition {
  /**
   * Whom a daemon of the machine runs as; an agent of a user needs none.
   *
   * @default root for a daemon, as launchd does
   */
  readonly user?: string | undefined
  /**
   * The file that gets what the application writes.
   *
   * @default none: launchd throws it away
   */
  readonly logFile?: string | undefined
}

/**
 * The text of `<name>.plist`: for `~/Library/LaunchAgents` (a user's) or `/Library/LaunchDaemons` (the machine's). The name
 * is the label; macOS has them as `com.example.orders`.
 *
 * **Details**
 * - It starts at once, and is started anew when it fails, after at least 10 seconds (`KeepAlive`, `ThrottleInterval`). launchd
 *   knows no exit code that forbids a restart: one that is configured wrongly is tried for ever.
 * - `ExitTimeOut`, between SIGTERM and SIGKILL, is the grace period and 5 seconds; its default, 20 on older systems, can be
 *   less than the grace period. launchd has no way to be told that the application is ready, or that it needs more time.
 *
 * **Errors**: `ServiceDefinitionError` for what launchd would refuse.
 *
 * @example
 * ```ts
 * import * as Result from "effect/Result"
 * import * as LaunchdPlist from "@quiesce/node/LaunchdPlist"
 *
 * const plist = LaunchdPlist.render({
 *   name: "com.example.orders",
 *   command: ["/opt/homebrew/bin/node", "/srv/orders/main.js"],
 *   workingDirectory: "/srv/orders",
 *   gracePeriod: "25 seconds",
 *   logFile: "/var/log/orders.log"
 * })
 *
 * console.log(Result.getOrThrow(plist))
 * ```
 */
export const render = (options: Options): Result.Result<string, ServiceDefinitionError> =>
  Result.map(check(options, options.user, options.logFile), ({ environment }) => {
    const { command, gracePeriod, logFile, name, user, workingDirectory } = options
    const list: List = {
      Label: name,
      ProgramArguments: command,
      WorkingDirectory: workingDirectory,
      EnvironmentVariables: environment,
      ...(user === undefined ? {} : { UserName: user }),
      ...(logFile === undefined ? {} : { StandardOutPath: logFile, StandardErrorPath: logFile }),
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 10,
      ExitTimeOut: killSeconds(gracePeriod)
    }
    return [
      `<?xml version="1.0" encoding="UTF-8"?>`,
      `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">`,
      `<plist version="1.0">`,
      ...write(list, ""),
      "</plist>",
      ""
    ].join("\n")
  })

type List = { readonly [key: string]: Value }
type Value = string | number | boolean | ReadonlyArray<string> | List

const write = (value: Value, indent: string): ReadonlyArray<string> => {
  if (typeof value === "string") return [`${indent}<string>${escapeXml(value)}</string>`]
  if (typeof value === "number") return [`${indent}<integer>${value}</integer>`]
  if (typeof value === "boolean") return [`${indent}<${value}/>`]
  const deeper = `${indent}  `
  if (isArray(value)) return [`${indent}<array>`, ...value.flatMap((each) => write(each, deeper)), `${indent}</array>`]
  const entries = Object.entries(value).flatMap(([key, each]) => [
    `${deeper}<key>${escapeXml(key)}</key>`,
    ...write(each, deeper)
  ])
  return [`${indent}<dict>`, ...entries, `${indent}</dict>`]
}

const isArray: (value: ReadonlyArray<string> | List) => value is ReadonlyArray<string> = Array.isArray
