import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, test } from "vitest"
import { SdNotify } from "../src/SdNotify.ts"
import { NotifySocket } from "./support/notifySocket.ts"

const folder = mkdtempSync(join(tmpdir(), "quiesce-sd-"))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => {
  delete process.env["NOTIFY_SOCKET"]
})

const warnings: Array<string> = []
const warn = (text: string): void => void warnings.push(text)

describe.skipIf(process.platform !== "linux")("a notify socket", () => {
  test("that is slow to read gets everything, in order", async () => {
    const socket = new NotifySocket(join(folder, "slow.sock"), "deaf")
    const manager = new SdNotify(socket.name, warn)
    // As many as the kernel keeps for it, and some.
    const count = Number(readFileSync("/proc/sys/net/unix/max_dgram_qlen", "utf8")) + 50
    for (let n = 1; n <= count; n++) manager.send([`N=${n}`, "STATUS=busy"])
    socket.listen()
    await socket.hears(`N=${count}`)
    expect(socket.messages).toEqual(Array.from({ length: count }, (_, n) => [`N=${n + 1}`, "STATUS=busy"]))
    expect(warnings).toEqual([])
    socket.close()
  })

  test("is taken from the environment, and from the processes below", async () => {
    const socket = new NotifySocket(join(folder, "own.sock"))
    process.env["NOTIFY_SOCKET"] = socket.name
    SdNotify.fromEnv(warn)?.send(["READY=1"])
    await socket.hears("READY=1")
    expect(process.env["NOTIFY_SOCKET"]).toBeUndefined()
    expect(SdNotify.fromEnv(warn)).toBeUndefined()
    socket.close()
  })
})
