/**
 * What a service manager shall run: the part that is the same for all of them.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * A command, and how long its stop takes. `ServiceUnit`, `LaunchdPlist` and `WindowsService` write it down, each for a manager
 * of its own; none of them touches the machine.
 */
export interface ServiceDefinition {
  /** Letters, digits, `.`, `_` and `-`. */
  readonly name: string
  /**
   * One line for people.
   *
   * @default the name
   */
  readonly description?: string | undefined
  /** The program, with its whole path, and its arguments. No shell reads them. */
  readonly command: ReadonlyArray<string>
  /** A whole path. */
  readonly workingDirectory: string
  /** What is added to the environment. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /**
   * The grace period of the application, for example `plan.gracePeriod`: the manager is told to wait `margin` longer before it
   * kills, and the application is told so in QUIESCE_PLATFORM_GRACE, which it compares with its own grace period at each start.
   */
  readonly gracePeriod: Duration.Input
}

/**
 * A service that no manager could run as it is defined; `problem` says what is wrong and what to do.
 */
export class ServiceDefinitionError extends Schema.TaggedError<ServiceDefinitionError>()("ServiceDefinitionError", {
  name: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `the service "${this.name}" cannot be defined: ${this.problem}`
  }
}

/**
 * What a manager waits after the grace period before it kills, which the application itself never needs: 5 seconds, for a
 * machine that is too busy to let it end.
 */
export const margin: Duration.Duration = Duration.seconds(5)

/** Seconds that a manager waits between its stop signal and the kill. */
export const killSeconds = (gracePeriod: Duration.Input): number =>
  Math.ceil(Duration.toSeconds(Duration.sum(Duration.fromInputUnsafe(gracePeriod), margin)))
