// One deliberate fault of the core: a piece of source text and what stands in its place.
export interface Mutant {
  /** What is broken, as a reader of the table would say it. */
  readonly what: string
  /** In packages/quiesce/src. */
  readonly file: string
  /** Must occur exactly once. */
  readonly find: string
  readonly replace: string
}
