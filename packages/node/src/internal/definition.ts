/**
 * What every service manager would choke on, found before it does.
 */
import * as Result from "effect/Result"
import { killSeconds, type ServiceDefinition, ServiceDefinitionError } from "../ServiceDefinition.ts"

type Checked<A> = Result.Result<A & { readonly environment: Readonly<Record<string, string>> }, ServiceDefinitionError>

/** Looks at a definition and the other texts that go with it, and adds what the platform gives to the environment. */
export const check = <A extends ServiceDefinition>(
  definition: A,
  ...others: ReadonlyArray<string | undefined>
): Checked<A> => {
  const { description, environment, gracePeriod, name, workingDirectory } = definition
  const texts = [description, workingDirectory, ...definition.command, ...Object.values(environment ?? {}), ...others]
  const problem = problemOf(definition) ?? problemIn(texts)
  if (problem !== undefined) return Result.fail(new ServiceDefinitionError({ name, problem }))
  const grace = `${killSeconds(gracePeriod)} seconds`
  return Result.succeed({ ...definition, environment: { ...environment, QUIESCE_PLATFORM_GRACE: grace } })
}

/** Looks at texts alone: of the next line the file would be somebody else's. */
export const checkTexts = (
  name: string,
  ...texts: ReadonlyArray<string | undefined>
): Result.Result<void, ServiceDefinitionError> => {
  const problem = nameProblem(name) ?? problemIn(texts)
  return problem === undefined ? Result.void : Result.fail(new ServiceDefinitionError({ name, problem }))
}

const nameProblem = (name: string): string | undefined =>
  /^[A-Za-z0-9][\w.-]*$/.test(name)
    ? undefined
    : "its name may have letters, digits, . _ and - and begins with one of the first two"

const isWholePath = (path: string): boolean => /^(\/|[A-Za-z]:[\\/])/.test(path)

const problemOf = (definition: ServiceDefinition): string | undefined => {
  const { command, environment = {}, gracePeriod, name, workingDirectory } = definition
  if (!isWholePath(command[0] ?? ""))
    return `its command begins with "${command[0] ?? ""}": give the whole path of the program, since a manager has a PATH of its own`
  if (!isWholePath(workingDirectory)) return `its working directory is "${workingDirectory}": give a whole path`
  if (!Number.isFinite(killSeconds(gracePeriod)))
    return "its grace period is infinite, and a manager has to kill at some time: give one that ends"
  const key = Object.keys(environment).find((each) => !/^[A-Za-z_]\w*$/.test(each))
  if (key !== undefined) return `"${key}" is no name of an environment variable: use letters, digits and _`
  return nameProblem(name)
}

const problemIn = (texts: ReadonlyArray<string | undefined>): string | undefined =>
  texts.some((text) => text !== undefined && /\p{Cc}/u.test(text))
    ? "there is a line break or another control character in it, which the files of service managers cannot have: take it out"
    : undefined
