/**
 * The account that Postgres runs under. It refuses to run as root, so for root it is `nobody`, who must then be able to
 * reach binaries and data.
 */
import { readFileSync, statSync } from "node:fs"
import { dirname } from "node:path"

export interface Account {
  readonly uid: number
  readonly gid: number
}

/** Undefined: our own, which is the case for everybody but root. */
export const accountFor = (cluster: string): Account | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const owner = statSync(cluster, { throwIfNoEntry: false })
  // Data that a user made earlier stays that user's.
  return owner !== undefined && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : nobody()
}

/** Whether `account` may pass through every folder above `path`, and enter `path` itself. */
export const canReach = (account: Account | undefined, path: string): boolean => {
  if (account === undefined) return true
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder)
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

const nobody = (): Account => {
  try {
    const [, , uid, gid] =
      readFileSync("/etc/passwd", "utf8")
        .split("\n")
        .find((line) => line.startsWith("nobody:"))
        ?.split(":") ?? []
    // macOS has nobody as -2, which spawn takes as 4294967294.
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }
  } catch {
    // no such file: the numbers are the same everywhere
  }
  return { uid: 65534, gid: 65534 }
}
