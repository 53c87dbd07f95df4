/** What blocked the event loop, in one line: how long, and the line of code where that is known. */
import { formatMillis } from "./format.ts"

export const describeBlock = (block: { readonly millis: number; readonly stack: ReadonlyArray<string> }): string => {
  // Of Node's own frames nobody can change one.
  const [where] = block.stack.filter((frame) => !/\bnode:|\(<anonymous>\)$/.test(frame))
  const by = where ?? block.stack[0] ?? "native code, or by code that cannot be looked into"
  return `the event loop was blocked for ${formatMillis(block.millis)} by ${by}`
}
