/**
 * Reads what an application tells on its notify pipe: messages in sd_notify's manner, lines of KEY=VALUE, each message ended by
 * an empty line.
 */

export type Message = ReadonlyMap<string, string>

/** Nobody who means well writes so much before an empty line; a plan of a thousand components is a tenth of it. */
const longest = 4 * 1024 * 1024

export class NotifyReader {
  readonly #onMessage: (message: Message) => void
  #rest = ""

  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage
  }

  read(text: string): void {
    const parts = (this.#rest + text).split("\n\n")
    const rest = parts.pop() ?? ""
    this.#rest = rest.length > longest ? "" : rest
    for (const part of parts) {
      const pairs = part.split("\n").flatMap((line): ReadonlyArray<readonly [string, string]> => {
        const at = line.indexOf("=")
        return at <= 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
      })
      if (pairs.length > 0) this.#onMessage(new Map(pairs))
    }
  }
}
