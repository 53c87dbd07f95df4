/**
 * A unit of systemd for an application.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { exitCodes } from "quiesce/Outcome"
import { check, checkTexts } from "./internal/definition.ts"
import { killSeconds, type ServiceDefinition, type ServiceDefinitionError } from "./ServiceDefinition.ts"

export interface Options extends ServiceDefinition {
  /** `"system"`: a service of the machine. `"user"`: one of the user who installs it. */
  readonly scope: "system" | "user"
  /**
   * Whom a system service runs as.
   *
   * @default root, as systemd does
   */
  readonly user?: string | undefined
  /**
   * How long the start may take.
   *
   * @default 90 seconds, as systemd does
   */
  readonly startTimeout?: Duration.Input | undefined
  /**
   * How long the event loop may be blocked, or a liveness check fail, before systemd kills the process and starts it anew.
   *
   * @default 30 seconds: far longer than any garbage collection; `false`: for ever
   */
  readonly watchdog?: Duration.Input | false | undefined
  /**
   * Whether there is something to be reloaded by SIGHUP (`@quiesce/reload`, or a supervisor). Where there is not, SIGHUP stops.
   *
   * @default false
   */
  readonly reload?: boolean | undefined
  /**
   * The version of the systemd that will read it. From 253 on `systemctl reload` waits for the end of the reload
   * (`Type=notify-reload`), which an older one does not understand.
   *
   * @default 252: understood by newer ones as well
   */
  readonly systemdVersion?: number | undefined
  /**
   * Takes from the process what a Node program has no use for. Not MemoryDenyWriteExecute, which V8 cannot live with.
   *
   * @default true
   */
  readonly hardening?: boolean | undefined
}

/**
 * The text of `<name>.service`.
 *
 * **When to use**: `quiesce service install` calls it; call it where the unit is deployed by something else.
 *
 * **Details**
 * - It is ready when every component runs (`Type=notify`), and says how it is in `systemctl status`.
 * - `TimeoutStopSec` is the grace period and 5 seconds. SIGTERM goes to the main process alone; what is left of its children
 *   after the stop is killed (`KillMode=mixed`).
 * - It is started anew after a failure, unless another start would end alike: exit codes 2 (usage), 78 (configuration), and 70
 *   (it wanted to stop, and did, though not cleanly). Five starts within a minute, and systemd gives up. 130 and 143 count as
 *   success: somebody has sent a second signal to what was stopping.
 * - `NotifyAccess=all`, since without the package `koffi` it is `systemd-notify` that sends the messages.
 *
 * **Errors**: `ServiceDefinitionError` for what systemd would refuse, or read otherwise than it was meant.
 *
 * @example
 * ```ts
 * import * as Result from "effect/Result"
 * import * as ServiceUnit from "@quiesce/node/ServiceUnit"
 *
 * const unit = ServiceUnit.render({
 *   name: "orders",
 *   command: ["/usr/bin/node", "/srv/orders/main.js"],
 *   workingDirectory: "/srv/orders",
 *   gracePeriod: "25 seconds",
 *   scope: "system",
 *   user: "orders"
 * })
 *
 * console.log(Result.getOrThrow(unit))
 * ```
 */
export const render = (options: Options): Result.Result<string, ServiceDefinitionError> =>
  Result.map(check(options, options.user), (definition) => {
    const isSystem = options.scope === "system"
    return [
      "[Unit]",
      `Description=${percent(options.description ?? options.name)}`,
      // The manager of a user knows nothing of the network.
      ...(isSystem ? ["Wants=network-online.target", "After=network-online.target"] : []),
      "StartLimitIntervalSec=60",
      "StartLimitBurst=5",
      "",
      "[Service]",
      ...typeLines(options),
      "NotifyAccess=all",
      `ExecStart=${options.command.map(argument).join(" ")}`,
      `WorkingDirectory=${percent(options.workingDirectory)}`,
      ...(isSystem && options.user !== undefined ? [`User=${percent(options.user)}`] : []),
      ...Object.entries(definition.environment).map(([key, value]) => `Environment=${quoted(`${key}=${value}`)}`),
      `TimeoutStartSec=${seconds(options.startTimeout ?? "90 seconds")}`,
      `TimeoutStopSec=${killSeconds(options.gracePeriod)}`,
      ...(options.watchdog === false ? [] : [`WatchdogSec=${seconds(options.watchdog ?? "30 seconds")}`]),
      "KillMode=mixed",
      "Restart=on-failure",
      "RestartSec=1",
      `RestartPreventExitStatus=${exitCodes.usage} ${exitCodes.degraded} ${exitCodes.configuration}`,
      "SuccessExitStatus=130 143",
      ...(options.hardening === false ? [] : isSystem ? [...hardening, ...systemHardening] : hardening),
      "",
      "[Install]",
      `WantedBy=${isSystem ? "multi-user.target" : "default.target"}`,
      ""
    ].join("\n")
  })

export interface SocketOptions {
  /** The name of the service that gets the sockets, without `.service`. */
  readonly name: string
  /** Where to listen, in systemd's words: `8080`, `127.0.0.1:8080`, `[::1]:8080`, `/run/orders.sock`. */
  readonly listen: ReadonlyArray<string>
  readonly scope: "system" | "user"
}

/**
 * The text of `<name>.socket`: systemd listens, and hands the sockets to the service, so that no connection is refused while
 * the service is restarted.
 *
 * **When to use**: beside the unit of `render`, for an application whose server takes inherited sockets.
 */
export const renderSocket = ({ listen, name, scope }: SocketOptions): Result.Result<string, ServiceDefinitionError> =>
  Result.map(checkTexts(name, ...listen), () =>
    [
      "[Unit]",
      `Description=Sockets of ${name}`,
      "",
      "[Socket]",
      ...listen.map((address) => `ListenStream=${percent(address)}`),
      "",
      "[Install]",
      // The manager of a user has no other target that is there from the beginning.
      `WantedBy=${scope === "system" ? "sockets.target" : "default.target"}`,
      ""
    ].join("\n")
  )

/** What works without any privilege. */
const hardening = [
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallArchitectures=native"
]

/** No ProtectHome, and not the strict ProtectSystem: an application may live in a home, and writes where it was told to. */
const systemHardening = [
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
  // os.networkInterfaces() asks through AF_NETLINK.
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"
]

const typeLines = ({ reload = false, systemdVersion = 252 }: Options): ReadonlyArray<string> => {
  if (!reload) return ["Type=notify"]
  return systemdVersion >= 253 ? ["Type=notify-reload"] : ["Type=notify", "ExecReload=/bin/kill -HUP $MAINPID"]
}

const seconds = (duration: Duration.Input): string =>
  Duration.isFinite(Duration.fromInputUnsafe(duration))
    ? String(Duration.toMillis(Duration.fromInputUnsafe(duration)) / 1000)
    : "infinity"

/** systemd's specifiers begin with it. */
const percent = (text: string): string => text.replaceAll("%", "%%")

const quoted = (text: string): string => `"${percent(text).replaceAll(/["\\]/g, "\\$&")}"`

/** In a command line, variables are replaced as well. */
const argument = (text: string): string => {
  const escaped = text.replaceAll("$", "$$$$")
  return /^[\w@%+=:,./$-]+$/.test(text) ? percent(escaped) : quoted(escaped)
}
