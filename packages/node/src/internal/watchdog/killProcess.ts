/** The end of the process, whatever it does. It is sent to the watchdog's thread as text, and refers to nothing outside of itself. */
export const killProcess = (): void => {
  try {
    process.kill(process.pid, "SIGKILL")
  } catch {
    // What follows needs nobody's permission.
  }
  // The first process of a container is spared by signals of its own; not by a trap of the processor.
  setTimeout(() => {
    process.getBuiltinModule("node:v8").setFlagsFromString("--allow-natives-syntax")
    new (process.getBuiltinModule("node:vm").Script)("%SystemBreak()").runInThisContext()
  }, 20)
}
