/** Exit codes of the command, and those that it passes on. */
import { constants } from "node:os"
import type { ChildExit } from "../Control.ts"

/** EX_USAGE is 64 in sysexits; shells and the rest of Quiesce say 2. */
export const usageError = 2
/** EX_CONFIG of sysexits. */
export const configurationError = 78
/** As `systemctl status` has it. */
export const notRunning = 3
/** A command that cannot be found, or run, in the manner of shells. */
export const commandNotFound = 127
export const commandNotExecutable = 126

/** What a shell would say of the process: a death by signal n is 128 + n. */
export const exitCodeOf = ({ code, signal }: ChildExit): number =>
  code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)
