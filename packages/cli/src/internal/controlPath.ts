/**
 * Where the control socket is: `.quiesce/<name>.sock` in the folder in which the supervisor was started, unless `--socket` says
 * otherwise. It depends on nothing that differs between the shell that starts and the shell that asks.
 */
import { join, relative, resolve } from "node:path"
import { longestPath } from "./unixSockets.ts"

export interface ControlOptions {
  readonly name: string
  readonly socket: string | undefined
}

export const controlPath = ({ name, socket }: ControlOptions): string => {
  const path = resolve(socket ?? join(".quiesce", `${name}.sock`))
  const fromHere = relative(process.cwd(), path)
  return fromHere.length < path.length ? fromHere : path
}

/** What is wrong with a path, if anything. */
export const controlPathProblem = (path: string): string | undefined => {
  const bytes = Buffer.byteLength(path)
  return bytes <= longestPath
    ? undefined
    : `the path of the control socket has ${bytes} bytes, and a unix socket may have ${longestPath}: ${path}; ` +
        `let --socket name a shorter one, for example in /run or /tmp`
}
