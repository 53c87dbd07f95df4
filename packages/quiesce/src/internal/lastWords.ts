/**
 * What is said and done when nothing asynchronous runs any more: who is unfinished, and the emergency hooks.
 */
import * as Cause from "effect/Cause"
import { describe } from "./describe.ts"
import type { Kernel } from "./Kernel.ts"
import type { StopStates } from "./StopStates.ts"

export const sayLastWords = (kernel: Kernel, states: StopStates): void => {
  states.tellStragglers()
  states.tasks.tellStragglers()
  // Each once, also when a hook blocks or leaves and the rest is said and run by who finds that out.
  for (const section of states.sections.open) {
    if (section.torn) continue
    section.torn = true
    kernel.emit({ _tag: "Straggler", at: kernel.now(), kind: `critical section ${section.name}`, count: 1 })
  }
  const { emergency } = states.participants
  for (const hook of emergency) {
    emergency.delete(hook)
    const failure = failureOf(hook.run)
    kernel.emit({
      _tag: "EmergencyRan",
      at: kernel.now(),
      name: hook.name,
      ...(failure === undefined ? {} : { failure })
    })
  }
}

const failureOf = (run: () => void): string | undefined => {
  try {
    run()
    return undefined
  } catch (error) {
    return describe(Cause.die(error))
  }
}
