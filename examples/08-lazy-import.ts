// Given a function, NodeApp.run holds the signals before anything else is loaded: a SIGTERM during a slow import is a clean
// stop. Keep the entry module this small, and let the application's module export its layer as default.
import * as NodeApp from "@quiesce/node/NodeApp"

NodeApp.run(() => import("./parts/app.ts"), { name: "lazy-import" })
