// Why: a job worker that restarts must be the same one to the job master, so that its lane and its tasks find it again.
// How: a random id in one file of its home, written whole or not at all.
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SkeinError } from '../base/errors.ts'

const idPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

/**
 * The job worker's id, from `<home>/job-worker/id`; made at the first call.
 * @throws SkeinError failed_precondition when the file cannot be read or written, or holds no id
 */
export async function jobWorkerIdentity(home: string): Promise<string> {
  const path = join(home, 'job-worker', 'id')
  try {
    return (await readIdentity(path)) ?? (await createIdentity(path))
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    const { code } = thrown as NodeJS.ErrnoException
    throw new SkeinError('failed_precondition', `${path} cannot be used (${code}): make skein.home a writable directory`, { cause: thrown })
  }
}

async function readIdentity(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined
    throw thrown
  })
  if (text === undefined) return undefined
  const id = text.trim()
  if (!idPattern.test(id)) throw new SkeinError('failed_precondition', `${path} holds no job worker id: remove the file to get a new one`)
  return id
}

// link() fails when the file is there: of two processes that start at once, both use the first one's id.
async function createIdentity(path: string): Promise<string> {
  const id = randomUUID()
  const temporary = `${path}.${id}`
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
  await writeFile(temporary, `${id}\n`, { mode: 0o600, flag: 'wx' })
  try {
    await link(temporary, path)
    return id
  } catch (thrown) {
    const existing = await readIdentity(path)
    if (existing === undefined) throw thrown
    return existing
  } finally {
    await rm(temporary, { force: true })
  }
}
