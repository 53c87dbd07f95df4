// A configuration that reloads: a file that changes while the application runs, and a mailer that is replaced in one step.
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeApp from "@quiesce/node/NodeApp"
import * as ConfigFile from "@quiesce/reload/ConfigFile"
import * as Reload from "@quiesce/reload/Reload"
import * as Reloadable from "@quiesce/reload/Reloadable"
import { Lifecycle } from "quiesce/Lifecycle"
import * as StopReason from "quiesce/StopReason"

const schema = Schema.Struct({
  greeting: Schema.String,
  smtp: Schema.String,
  port: Schema.Int.pipe(ConfigFile.restart) // the others are live
})
const file = ConfigFile.make(join(mkdtempSync(join(tmpdir(), "reload-")), "settings.yaml"), { schema, env: "SHOP" })

class Settings extends Context.Service<Settings, Reload.Reload<typeof schema.Type>>()("shop/Settings") {}

class Mailer extends Context.Service<
  Mailer,
  Reloadable.Reloadable<{ readonly send: (text: string) => Effect.Effect<void> }>
>()("shop/Mailer") {}

const MailerLive = Reloadable.layer(Mailer, Settings, {
  from: ({ smtp }) => smtp,
  make: (smtp) =>
    Effect.acquireRelease(Effect.succeed({ send: (text: string) => Effect.log(`${smtp} sends: ${text}`) }), () =>
      Effect.log(`disconnected from ${smtp}`)
    )
})

const Shop = Layer.effectDiscard(
  Effect.gen(function* () {
    const lifecycle = yield* Lifecycle
    const settings = yield* Settings
    const mailer = yield* Mailer
    const greet = Effect.flatMap(settings.current, ({ greeting }) => mailer.use(({ send }) => send(greeting)))
    const day = Effect.gen(function* () {
      yield* lifecycle.running
      yield* greet
      yield* ConfigFile.save(file, { greeting: "good day", smtp: "smtp-2", port: 81 })
      yield* settings.reload("the shop") // or wait 100 ms, or send SIGHUP
      yield* greet
      yield* lifecycle.requestStop(StopReason.finished)
    })
    yield* Effect.forkScoped(day)
  })
)

const First = Layer.effectDiscard(ConfigFile.save(file, { greeting: "hello", smtp: "smtp-1", port: 80 }))
const SettingsLive = Reload.layer(Settings, file).pipe(Layer.provide(First))
const Main = Shop.pipe(Layer.provide(MailerLive), Layer.provide(SettingsLive), Layer.provide(NodeFileSystem.layer))

if (import.meta.main) NodeApp.run(Main, { name: "reload" })
