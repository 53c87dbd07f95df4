// An application as a process. It is in parts/shop.ts, and its tests are test/kit-*.ts.
import * as NodeApp from "@quiesce/node/NodeApp"
import { shop } from "./parts/shop.ts"

NodeApp.run(shop(), { name: "test-kit" })
