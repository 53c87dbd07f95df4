/** All migrations, by name; each runs once, in order, in one transaction. Add to the end, never change one that has run. */
import { initial } from "./migrations/0001_initial.ts"

export const migrations = {
  "0001_initial": initial
}
