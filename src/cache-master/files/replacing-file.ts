// Why: a file that is moved to the place of another one must not lose what another client of the
// store has put there, and readers must never find neither. How: the object moves at the store
// first, over exactly the version that is known; then one command moves the file and gives up the
// old one (meta/apply/replacing-rename.ts). A file that only the cache has moves in the command
// alone, and replaces the object when it is persisted. The caller holds both paths.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { Rename } from '../../meta/commands/lifecycle-commands.ts'
import type { FileInode } from '../../meta/meta-tables.ts'
import { fileAt } from '../../meta/resolve-path.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { Target } from '../paths/tree-pages.ts'
import { deleteObject, hasObject } from '../store/object-changes.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { replacedVersion } from '../written/begun-files.ts'
import { movedAnyway } from './moved-anyway.ts'
import { type Move, submitRename } from './rename-command.ts'

interface Parts {
  readonly context: MasterContext
  readonly sync: Pick<StoreSync, 'refresh'>
}

type Stored = NonNullable<Rename['stored']>

/**
 * Moves a file to the place of the file at `to`.
 * @throws SkeinError not_found, aborted `object_changed` (another client wrote `to`: its object
 *   stays), and what the store says
 */
export async function replaceFile(
  parts: Parts,
  { record, key: from }: Target,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  const { context } = parts
  const move = { record, from, to }
  const file = fileAt(context.tables, record.rootId, from)
  const known = await replacedVersion(context, record, to, signal)
  if (file?.persisted !== true) {
    if (file !== undefined && hasObject(file)) await deleteObject(await context.stores.get(record), from, file, signal)
    return await submitRename(context, move, { overwrites: true, ...known })
  }
  const end = context.changes.changing(record, [from, to])
  try {
    const stored = await moveObject(parts, move, known.replacesEtag, signal)
    await submitRename(context, move, { overwrites: true, ...(stored !== undefined && { stored }) }).catch(
      async (thrown: unknown) => {
        // Somebody looked at the old name meanwhile: the store has the object at its new name only.
        if (!isSkeinError(thrown, 'not_found') || !(await isMoved(parts, move, signal))) throw thrown
      },
    )
    if (stored === undefined) await parts.sync.refresh(record, to, signal)
  } finally {
    end()
  }
}

/**
 * What another client has changed since it was looked at is looked at once more.
 * @returns undefined: the store has moved it, and nobody can prove in which version
 */
async function moveObject(
  { context, sync }: Parts,
  { record, from, to }: Move,
  replacesEtag: string | undefined,
  signal: AbortSignal,
): Promise<Stored | undefined> {
  const { tables, stores, persistProblems } = context
  const store = await stores.get(record)
  for (let attempts = 1; ; attempts += 1) {
    const [file, replaced] = [fileAt(tables, record.rootId, from), fileAt(tables, record.rootId, to)]
    if (file?.persisted !== true) throw new SkeinError('not_found', `${pathOf(record, from)} does not exist any more`)
    const replaces = versionOf(replaced, replacesEtag)
    try {
      const { etag, modifiedMs } = await (replaces === ''
        ? store.rename(from, to, file.etag, signal)
        : store.renameOver(from, to, { etag: file.etag, replaces }, signal))
      return { etag, modifiedMs, movedEtag: file.etag }
    } catch (thrown) {
      const isConflict = isSkeinError(thrown, 'aborted', 'object_changed') || isSkeinError(thrown, 'already_exists')
      // Also what failed may have come to the store.
      const there = await movedAnyway(store, { from, to, file, replaces }, thrown)
      if (there.how === 'same') return { etag: there.etag, modifiedMs: there.modifiedMs, movedEtag: file.etag }
      if (there.how === 'unproven') return undefined
      if (there.how === 'unknown') throw thrown
      await Promise.all([from, to].map((key) => sync.refresh(record, key, signal).catch(() => undefined)))
      if (!isConflict) throw thrown
      if (attempts === 1) continue
      const error = new SkeinError(
        'aborted',
        `${pathOf(record, from)} was not moved: another client changed it or ${pathOf(record, to)} at the store`,
        { reason: 'object_changed', retryable: false, cause: thrown },
      )
      // The next one that is to take its place replaces what the store has then.
      if (replaced?.persisted === false) persistProblems.note(replaced.id, error)
      throw error
    }
  }
}

/**
 * Makes known what the store has at both names after it has moved an object. @returns whether there
 * is a file at the new one
 */
export async function isMoved(
  { sync }: Pick<Parts, 'sync'>,
  { record, from, to }: Move,
  signal: AbortSignal,
): Promise<boolean> {
  const [, there] = await Promise.all([from, to].map((key) => sync.refresh(record, key, signal)))
  return there !== undefined
}

/** What the store has at the key, as far as is known; empty: nothing. */
function versionOf(file: FileInode | undefined, replacesEtag: string | undefined): string {
  return file?.persisted === true ? file.etag : (replacesEtag ?? file?.replacesEtag ?? '')
}
