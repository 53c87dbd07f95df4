/** What a process has left in the folder of its reports. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import { Report } from "quiesce/Report"
import { expect } from "vitest"

/** The only report there; beside it there may be one that was given up half-done. */
export const reportIn = (folder: string): Report => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"))
  expect(files).toHaveLength(1)
  return Schema.decodeUnknownSync(Schema.fromJsonString(Report))(readFileSync(join(folder, files[0] ?? ""), "utf8"))
}
