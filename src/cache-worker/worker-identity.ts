// Why: a worker that restarts is the same worker, so that its directories and its replicas are still its own. How: a UUID
// in `<home>/worker/id`, made once.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SkeinError, toSkeinError } from '../base/errors.ts'

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * The worker id kept under `home`, made when there is none.
 * @throws SkeinError failed_precondition when the file holds something else or the home is not writable
 */
export async function openWorkerIdentity(home: string): Promise<string> {
  const folder = join(home, 'worker')
  const path = join(folder, 'id')
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const known = await readIdentity(path)
    if (known !== undefined) return known
    await createIdentity(folder, path)
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    throw new SkeinError('failed_precondition', `the worker's identity ${path} cannot be read or made: ${toSkeinError(thrown).message}`, {
      cause: thrown,
    })
  }
  const made = await readIdentity(path)
  if (made === undefined) throw new SkeinError('failed_precondition', `the worker's identity ${path} vanished while it was made`)
  return made
}

async function readIdentity(path: string): Promise<string | undefined> {
  let text: string
  try {
    text = (await readFile(path, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW })).trim()
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    throw thrown
  }
  if (!uuidPattern.test(text)) throw new SkeinError('failed_precondition', `${path} holds no worker id; delete it to get a new one`)
  return text
}

/** Whole or not at all, and the first of two makers wins: written aside, synced, then linked. */
async function createIdentity(folder: string, path: string): Promise<void> {
  const id = randomUUID()
  const aside = join(folder, `id-${id}`)
  await writeFile(aside, `${id}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    await link(aside, path)
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown
  } finally {
    await unlink(aside)
  }
  const directory = await open(folder, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
