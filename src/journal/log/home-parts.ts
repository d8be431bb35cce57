// Why: a home that has lost a part of its state must not start as a new one: an empty master makes
// its workers' blocks worthless. How: a master's home has three parts that belong together: its id
// (`cluster.id`), the state and the journal. A valid home has all of them, a new one none. This is
// checked before anything is opened or created. The id is written last, so that an interrupted
// first start can be repeated.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { segmentHeaderBytes } from './entry-codec.ts'
import { segmentFirstSeqs, segmentName } from './journal-segment.ts'

/** A role without an id (a job master) recognizes a used home only by its journal. */
export interface HomeToCheck {
  readonly directory: string
  /** For messages: `master`. */
  readonly role: string
  readonly idName?: string
}

/**
 * @throws SkeinError failed_precondition (reason `home_incomplete`), which names what is missing
 *   and what to do
 */
export async function checkHome({ directory, role, idName }: HomeToCheck): Promise<void> {
  const state = (await namesIn(join(directory, 'state'))).some((name) => name === 'data.mdb' || name === 'snapshot.mdb')
  const journal = await journalOf(join(directory, 'journal'))
  const id = idName !== undefined && (await isWritten(join(directory, idName)))
  const missing: string[] = []
  if (id) {
    if (!state) missing.push('the state (state/)')
    if (journal === 'none') missing.push('the journal (journal/)')
  } else if (journal === 'used' && !state) {
    missing.push('the state (state/)')
    if (idName !== undefined) missing.push(`its id (${idName})`)
  }
  if (missing.length === 0) return
  const why =
    `the ${role} home ${directory} was used before, but lacks ${missing.join(' and ')}: ` +
    `put it back, or restore a backup into an empty home (skein.master.restore.from). ` +
    `To start with an empty home and lose the old state, move ${directory} away`
  throw new SkeinError('failed_precondition', why, { reason: 'home_incomplete' })
}

/** `used`: it has, or has had, an entry. */
async function journalOf(directory: string): Promise<'none' | 'unused' | 'used'> {
  const firstSeqs = segmentFirstSeqs(await namesIn(directory))
  const [first] = firstSeqs
  if (first === undefined) return 'none'
  if (firstSeqs.length > 1 || first > 1n) return 'used'
  const { size } = await stat(join(directory, segmentName(first)))
  return size > segmentHeaderBytes ? 'used' : 'unused'
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (thrown) {
    if (isMissing(thrown)) return []
    throw thrown
  }
}

async function isWritten(path: string): Promise<boolean> {
  try {
    return (await readFile(path, 'utf8')).trim() !== ''
  } catch (thrown) {
    if (isMissing(thrown)) return false
    throw thrown
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT'
}
