// Why: a worker or job worker that restarts is the same one, so that its directories, replicas and
// lane are still its own. How: a UUID in one file, made once: written aside, synced, then linked,
// so that it is whole or not there at all and the first of two makers wins.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectories } from './make-directories.ts'
import { SkeinError, toSkeinError } from '../errors.ts'

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * The id kept in `<folder>/id`, made when there is none; `what` names its owner in messages.
 * @throws SkeinError failed_precondition when the file holds something else or the folder is not
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
    throw new SkeinError('failed_precondition', `the ${what}'s identity ${path} vanished while it was made`)
  return made
}

/**
 * The id kept in `<folder>/id`; undefined when there is none. Changes nothing. @throws as
 * openIdentity
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
  return new SkeinError('failed_precondition', `the ${what}'s identity ${path} cannot be read or made: ${message}`, {
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
    throw new SkeinError('failed_precondition', `${path} holds no ${what} id; delete it to get a new one`)
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
