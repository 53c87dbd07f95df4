/**
 * As PID 1 of a container a process inherits every orphan, and must reap it. Node reaps its own children only, and nothing
 * written in JavaScript can change that. A shell reaps whatever it gets: so PID 1 becomes one, by `exec`, with the supervisor as
 * its child, and hands on the signals.
 */
import { existsSync } from "node:fs"

const shell = "/bin/sh"

/**
 * `wait` returns early when a signal comes, with a code of its own: then it is repeated. A signal that comes before there is
 * anybody to hand it to is handed on a moment later. Code 127 of a repeated `wait` means that the one before had seen the end.
 * A terminal tells all who are in front of it when Ctrl-C or Ctrl-\\ is pressed, so those two the supervisor has already.
 */
const script = `
pid= early= code=
keep() { again=1; }
pass() { again=1; if [ -n "$pid" ]; then kill -s "$1" "$pid" 2>/dev/null; else early="$early $1"; fi; }
for signal in TERM INT HUP QUIT USR1 USR2; do trap "pass $signal" "$signal"; done
if [ -t 0 ]; then trap keep INT QUIT; fi
"$@" &
pid=$!
for signal in $early; do kill -s "$signal" "$pid" 2>/dev/null; done
while :; do
  again=
  wait "$pid"
  seen=$?
  if [ "$seen" -eq 127 ] && [ -n "$code" ]; then break; fi
  code=$seen
  if [ -z "$again" ]; then break; fi
done
exit "$code"
`

/** Returns only when this is not PID 1, or cannot become a shell; then what it says is what to do about it. */
export const becomeInit = (): string | undefined => {
  if (process.pid !== 1 || process.platform !== "linux") return undefined
  if (!existsSync(shell) || typeof process.execve !== "function") {
    return (
      "this is PID 1, and Node reaps no orphans: start it below an init (docker run --init, tini), or where there is " +
      `${shell} and Node 22.15 or later`
    )
  }
  const supervisor = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  return process.execve(shell, ["sh", "-c", script, "quiesce", ...supervisor], process.env)
}
