/**
 * `quiesce service`: an application as a service of this machine, or of this user.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { spawnSync } from "node:child_process"
import { accessSync, constants, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"
import { exitCodes } from "quiesce/Outcome"
import { duration, type Failed, failed, messageOf, nameFlag } from "./flags.ts"
import { type Scope, type ServiceFiles, serviceFiles } from "./serviceFiles.ts"

/** In every file that we write, and in no other. */
const mark = "QUIESCE_PLATFORM_GRACE"

const which = {
  name: nameFlag.pipe(Flag.withDescription("Of the service; on macOS its label, as com.example.orders")),
  user: Flag.Boolean("user").pipe(Flag.withDefault(false), Flag.withDescription("A service of this user")),
  system: Flag.Boolean("system").pipe(Flag.withDefault(false), Flag.withDescription("A service of this machine"))
}

const install = Command.make(
  "install",
  {
    ...which,
    grace: duration("grace", "The grace period of the application; it is killed 5 seconds later (default: 25s)").pipe(
      Flag.withDefault(Duration.seconds(25))
    ),
    description: Flag.String("description").pipe(Flag.optional, Flag.withDescription("One line for people")),
    env: Flag.KeyValuePair("env").pipe(
      Flag.withDefault<Record<string, string>>({}),
      Flag.withDescription("Added to its environment; may be given more than once")
    ),
    runAs: Flag.String("run-as").pipe(
      Flag.optional,
      Flag.withDescription("Whom a service of the machine runs as (default: root)")
    ),
    print: Flag.Boolean("print").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Print what would be written, and change nothing")
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription('What to run, after "--", in this folder'),
      Argument.atLeast(1)
    )
  },
  Effect.fnUntraced(function* ({ command, description, env, grace, name, print, runAs, ...flags }) {
    const { files, scope } = yield* managerOf(flags)
    const [program = "", ...args] = command
    const whole = wholePath(program)
    if (whole === undefined) return yield* failed(`there is no program ${program}: give its path`, exitCodes.usage)
    if (scope === "user" && Option.isSome(runAs)) {
      return yield* failed("--run-as is for a service of the machine: leave it away, or use --system", exitCodes.usage)
    }
    const definition = {
      name,
      description: Option.getOrUndefined(description),
      command: [whole, ...args],
      workingDirectory: process.cwd(),
      environment: { ...pathWithNode(), ...env },
      gracePeriod: grace,
      runAs: Option.getOrUndefined(runAs)
    }
    const text = yield* Effect.fromResult(files.text(definition)).pipe(
      Effect.catchTag("ServiceDefinitionError", (error) => failed(error.message, exitCodes.usage))
    )
    if (print) return yield* Console.log(text.trimEnd())
    const file = files.file(name)
    if (isForeign(file)) {
      return yield* failed(
        `${file} is not one that "quiesce service" has written: choose another --name, or remove it`,
        1
      )
    }
    yield* attempt(`cannot write ${file}`, () => {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    })
    for (const words of files.install(name)) yield* execute(words)
    yield* Console.log(`wrote ${file}${files.advice === undefined ? ", and started it" : `; ${files.advice}`}`)
  })
).pipe(
  Command.withDescription("Write its definition, with times that leave it its grace period, and start it."),
  Command.withExamples([
    { command: "quiesce service install --user --name orders -- node main.js", description: "systemd, or launchd" },
    {
      command:
        "quiesce service install --system --name orders --run-as orders -- quiesce run --listen 80 -- node main.js",
      description: "Under a supervisor, so that a reload refuses nobody"
    }
  ])
)

const uninstall = Command.make(
  "uninstall",
  which,
  Effect.fnUntraced(function* ({ name, ...flags }) {
    const { files } = yield* managerOf(flags)
    const file = files.file(name)
    if (read(file) === undefined) return yield* failed(`there is no service ${name}: ${file} does not exist`, 1)
    if (isForeign(file)) return yield* failed(`${file} is not one that "quiesce service" has written: it stays`, 1)
    // What was never started cannot be stopped; the file goes all the same.
    for (const words of files.uninstall(name)) yield* Effect.ignore(execute(words))
    yield* attempt(`cannot remove ${file}`, () => rmSync(file))
    for (const words of files.afterRemoval) yield* execute(words)
    yield* Console.log(`removed ${file}${files.advice === undefined ? ", and stopped it" : `; ${files.advice}`}`)
  })
).pipe(Command.withDescription("Stop it, and remove its definition."))

export const service = Command.make("service").pipe(
  Command.withDescription("Make the application a service: systemd, launchd, or a definition for Windows."),
  Command.withSubcommands([install, uninstall])
)

const managerOf = ({
  system,
  user
}: {
  readonly system: boolean
  readonly user: boolean
}): Effect.Effect<{ readonly files: ServiceFiles; readonly scope: Scope }, Failed> => {
  if (system === user)
    return failed("either --user, a service of this user, or --system, one of this machine", exitCodes.usage)
  const scope = user ? "user" : "system"
  const files = serviceFiles(process.platform, scope)
  if (files === undefined)
    return failed(`there is no known service manager on ${process.platform}`, exitCodes.configuration)
  return Effect.succeed({ files, scope })
}

/** Where systemd looks for programs, and launchd in fewer. */
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** Scripts ask for `node` by its name, and so does `quiesce run -- node app.js`; it may be where only a shell looks, as with nvm. */
const pathWithNode = (): Readonly<Record<string, string>> => {
  const folder = dirname(process.execPath)
  if (process.platform === "win32" || usualPath.split(":").includes(folder)) return {}
  return { PATH: `${folder}:${usualPath}` }
}

/** Where a shell would find it. */
const wholePath = (program: string): string | undefined => {
  const folders = program.includes("/") ? [""] : (process.env["PATH"] ?? "").split(delimiter)
  return folders.map((folder) => resolve(join(folder, program))).find(isExecutable)
}

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

const isForeign = (file: string): boolean => read(file)?.includes(mark) === false

const attempt = (what: string, act: () => void): Effect.Effect<void, Failed> =>
  Effect.try({ try: act, catch: messageOf }).pipe(Effect.catch((why) => failed(`${what}: ${why}`, 1)))

const execute = (words: ReadonlyArray<string>): Effect.Effect<void, Failed> =>
  Effect.suspend(() => {
    const [program = "", ...args] = words
    const { error, status, stderr } = spawnSync(program, args, {
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"]
    })
    if (status === 0) return Effect.void
    return failed(`"${words.join(" ")}" failed: ${error?.message ?? stderr.trim()}`, 1)
  })
