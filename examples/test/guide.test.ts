/** The chapters show whole files that are run here, to the letter. */
import { describe, expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const read = (file: string): string => readFileSync(join(import.meta.dirname, file), "utf8")
const chapter = (name: string): string => read(`../../docs/guide/${name}.md`)

/** An example without the comment at its head. */
const example = (name: string): string => read(`../${name}.ts`).replace(/^\/\/.*\n/gm, "")
const tests = (prefix: string): ReadonlyArray<string> =>
  readdirSync(import.meta.dirname)
    .filter((file) => file.startsWith(prefix))
    .map(read)

describe("every program of the chapter is a file that is run, and every such file is in the chapter", () => {
  it.each([
    ["03-test-a-stop", [example("parts/shop"), example("11-test-kit"), ...tests("kit-")]],
    ["07-coming-from-other-systems", tests("from-")]
  ])("%s", (name, files) => {
    const blocks = Array.from(chapter(name).matchAll(/```ts\n(.*?)```/gs), ([, code]) => code)
    expect(new Set(blocks)).toEqual(new Set(files))
  })
})

describe("the program of the chapter is an example that is run", () => {
  it.each([
    ["04-background-tasks", "12-tasks"],
    ["05-reload", "13-reload"],
    ["06-optional-parts", "14-optional"],
    ["08-health-and-plan", "15-health-and-plan"],
    ["09-under-supervision", "16-supervised"]
  ])("%s", (name, program) => {
    expect(chapter(name)).toContain(`\`\`\`ts\n${example(program)}\`\`\``)
  })
})
