/**
 * Questions to the main thread, whatever it does.
 */
import type { Answer, Question, ThreadData } from "./messages.ts"

/**
 * A part of the program of the watchdog's thread, which is sent there as text: it refers to nothing outside of itself.
 *
 * The main thread is questioned through the inspector. V8 handles such a request as an interrupt, on top of whatever runs:
 * between two steps of a loop or of a regular expression, and in `Atomics.wait`. Native code that does not return answers nothing.
 */
export const asking = () => {
  const data: ThreadData = process.getBuiltinModule("node:worker_threads").workerData
  const shared = new BigInt64Array(data.shared)

  /** `millis`: how long an answer is waited for. */
  return (question: Question, millis: number): Promise<Answer | undefined> =>
    new Promise((resolve) => {
      if (!data.mayInspect) return resolve(undefined)
      try {
        const { Session } = process.getBuiltinModule("node:inspector")
        const session = new Session()
        session.connectToMainThread()
        const done = (answer: Answer | undefined): void => {
          session.disconnect()
          resolve(answer)
        }
        const expression = `${data.ask}(${JSON.stringify(question)})`
        session.post("Runtime.evaluate", { expression, returnByValue: true }, (_, answer) => {
          const said: unknown = answer?.result.value
          done(typeof said === "string" ? JSON.parse(said) : undefined)
        })
        setTimeout(() => {
          const isSpeaking = Atomics.load(shared, data.slots.speaking) !== 0n
          setTimeout(done, isSpeaking ? data.hooksMillis : 0, undefined)
        }, millis)
      } catch {
        // There is no stack, and everything else goes on.
        resolve(undefined)
      }
    })
}
