// The entry point. Signals are handled from here on; everything else is loaded afterwards.
import * as NodeApp from "@quiesce/node/NodeApp"
import { processOptions } from "./settings/processOptions.ts"

const [argument] = process.argv.slice(2)

if (argument === undefined) NodeApp.run(() => import("./app.ts"), processOptions(process.env))
else void import("./usage.ts").then(({ answer }) => answer(argument))
