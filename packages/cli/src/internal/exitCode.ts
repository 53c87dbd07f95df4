/** Exit codes of the command beside `exitCodes` of the core, and those that it passes on. */
import { constants } from "node:os"
import type { ChildExit } from "../Control.ts"

/** As `systemctl status` has it. */
export const notRunning = 3
/** A command that cannot be found, or run, in the manner of shells. */
export const commandNotFound = 127
export const commandNotExecutable = 126

/** What a shell would say of the process: a death by signal n is 128 + n. */
export const exitCodeOf = ({ code, signal }: ChildExit): number =>
  code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)
