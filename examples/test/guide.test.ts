/** The chapter on tests shows whole files that are run here, to the letter. */
import { expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const read = (file: string): string => readFileSync(join(import.meta.dirname, file), "utf8")

const blocks = Array.from(read("../../docs/guide/03-test-a-stop.md").matchAll(/```ts\n(.*?)```/gs), ([, code]) => code)

const files = [
  read("../11-test-kit.ts").replace(/^\/\/.*\n/gm, ""),
  ...readdirSync(import.meta.dirname)
    .filter((file) => file.startsWith("kit-"))
    .map(read)
]

it("every program of the chapter is a file that is run, and every such file is in the chapter", () => {
  expect(new Set(blocks)).toEqual(new Set(files))
})

it("the program of the chapter on reloads is an example that is run", () => {
  const program = read("../13-reload.ts").replace(/^\/\/.*\n/gm, "")
  expect(read("../../docs/guide/05-reload.md")).toContain(`\`\`\`ts\n${program}\`\`\``)
})
