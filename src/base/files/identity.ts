// Why: a worker or job worker keeps its identity across restarts, so that it keeps its directories,
// replicas and lane. How: a UUID in one file, created once. It is written to a temporary file,
// synced and then linked, so that the file is complete or absent and the first of two concurrent
// creators wins.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectories } from './make-directories.ts'
import { SkeinError, toSkeinError } from '../errors.ts'

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * Returns the id in `<folder>/id`, and creates one if it is missing. `what` names the owner in
 * messages.
 * @throws SkeinError failed_precondition when the file has other content or the folder is not
 *   writable
 */
export async function openIdentity(folder: string, what: string): Promise<string> {
  const path = join(folder, 'id')
  try {
    await makeDirectories(folder, 0o700)
    const known = await readIdentity(path, what)
    if (known !== undefined) return known
    await createIdentity(folder, path)
  } catch (thrown) {
    throw unusable(path, what, thrown)
  }
  const made = await readIdentity(path, what)
  if (made === undefined)
    throw new SkeinError('failed_precondition', `the ${what}'s identity ${path} disappeared while it was created`)
  return made
}

/**
 * Returns the id in `<folder>/id`; undefined when it is missing. Changes nothing.
 * @throws see openIdentity
 */
export async function knownIdentity(folder: string, what: string): Promise<string | undefined> {
  const path = join(folder, 'id')
  try {
    return await readIdentity(path, what)
  } catch (thrown) {
    throw unusable(path, what, thrown)
  }
}

function unusable(path: string, what: string, thrown: unknown): SkeinError {
  if (thrown instanceof SkeinError) return thrown
  const { message } = toSkeinError(thrown)
  return new SkeinError('failed_precondition', `the ${what}'s identity ${path} cannot be read or created: ${message}`, {
    cause: thrown,
  })
}

async function readIdentity(path: string, what: string): Promise<string | undefined> {
  let text: string
  try {
    text = (await readFile(path, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW })).trim()
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    throw thrown
  }
  if (!uuidPattern.test(text))
    throw new SkeinError('failed_precondition', `${path} has no ${what} id; delete it to get a new one`)
  return text
}

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
