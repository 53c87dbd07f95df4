// Preloaded into a process (node --import): replaces a piece of one source file of the core as it is loaded. Nothing on
// the disk changes.
import { registerHooks } from "node:module"
import { env } from "node:process"
import type { Mutant } from "./mutant.ts"

const { file, find, replace }: Mutant = JSON.parse(env["MUTANT"] ?? "{}")

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    if (!url.endsWith(`/packages/quiesce/src/${file}`)) return loaded
    const source =
      typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source ?? undefined)
    if (source.split(find).length !== 2) throw new Error(`"${find}" does not occur exactly once in ${file}`)
    return { ...loaded, source: source.replace(find, () => replace) }
  }
})
