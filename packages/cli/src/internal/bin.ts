#!/usr/bin/env node
/**
 * The command `quiesce`.
 */
import { enableCompileCache } from "node:module"
import { becomeInit } from "./init.ts"

// An answer takes half as long when its modules need not be compiled each time.
enableCompileCache()

const args = process.argv.slice(2)
const advice = args[0] === "run" ? becomeInit() : undefined
if (advice !== undefined) process.stderr.write(`quiesce: ${advice}\n`)

// A reader that has gone away is no reason to crash.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

const { main } = await import("./main.ts")
process.exit(await main(args.length === 0 ? ["--help"] : args))
