/**
 * A Windows service for an application, as the configuration of WinSW, a wrapper that starts any program as a service.
 */
import * as Result from "effect/Result"
import { check } from "./internal/definition.ts"
import { escapeXml } from "./internal/xml.ts"
import { killSeconds, type ServiceDefinition, ServiceDefinitionError } from "./ServiceDefinition.ts"

/**
 * The text of `<name>.xml`, which lies beside `WinSW.exe`, renamed to `<name>.exe`; then `<name>.exe install`.
 *
 * **Details**
 * - Windows has no SIGTERM. WinSW sends a Ctrl+C to the console of the application, where it arrives as SIGINT, also in children
 *   that share the console. It waits for the application first (`stopparentprocessfirst`), and kills what is still there after
 *   `stoptimeout`: the grace period and 5 seconds.
 * - It is started anew after a failure: after 1 second, 5 seconds, then every minute. Windows knows no exit code that forbids it.
 * - When the machine shuts down, Windows waits for its services for as long as its registry says (WaitToKillServiceTimeout, 5
 *   seconds by default), whatever the grace period is; `preshutdown` asks to be told before that, and for enough time.
 *
 * **Errors**: `ServiceDefinitionError` for what WinSW would refuse, or read otherwise than it was meant.
 *
 * @example
 * ```ts
 * import * as Result from "effect/Result"
 * import * as WindowsService from "@quiesce/node/WindowsService"
 *
 * const service = WindowsService.render({
 *   name: "orders",
 *   command: ["C:\\Program Files\\nodejs\\node.exe", "main.js"],
 *   workingDirectory: "C:\\orders",
 *   gracePeriod: "25 seconds"
 * })
 *
 * console.log(Result.getOrThrow(service))
 * ```
 */
export const render = (options: ServiceDefinition): Result.Result<string, ServiceDefinitionError> =>
  Result.flatMap(check(options), ({ command, description, environment, gracePeriod, name, workingDirectory }) => {
    const [executable = "", ...args] = command
    const texts = [description ?? "", workingDirectory, ...command, ...Object.values(environment)]
    const expanded = texts.find((text) => /%[^%]+%/.test(text))
    if (expanded !== undefined)
      return Result.fail(
        new ServiceDefinitionError({
          name,
          problem: `WinSW would take what is between the % in "${expanded}" for the name of a variable: write its value`
        })
      )
    const timeout = killSeconds(gracePeriod)
    return Result.succeed(
      [
        `<?xml version="1.0" encoding="UTF-8"?>`,
        "<service>",
        ...[
          element("id", name),
          element("name", name),
          element("description", description ?? name),
          element("executable", executable),
          element("arguments", args.map(argument).join(" ")),
          element("workingdirectory", workingDirectory),
          ...Object.entries(environment).map(([key, value]) => `<env name="${key}" value="${escapeXml(value)}"/>`),
          element("stoptimeout", `${timeout} sec`),
          element("stopparentprocessfirst", "true"),
          element("preshutdown", "true"),
          element("preshutdownTimeout", `${timeout} sec`),
          `<onfailure action="restart" delay="1 sec"/>`,
          `<onfailure action="restart" delay="5 sec"/>`,
          `<onfailure action="restart" delay="1 min"/>`,
          element("resetfailure", "1 hour"),
          `<log mode="roll-by-size"/>`
        ].map((line) => `  ${line}`),
        "</service>",
        ""
      ].join("\n")
    )
  })

const element = (name: string, text: string): string => `<${name}>${escapeXml(text)}</${name}>`

/** As programs of Windows take their command line apart: a backslash is one unless it stands before a quote. */
const argument = (text: string): string =>
  /^[^\s"]+$/.test(text) ? text : `"${text.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/\\+$/, "$&$&")}"`
