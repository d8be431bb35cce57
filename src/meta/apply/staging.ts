// Why: a dataset is replaced as a whole or not at all. How: the files of an atomic load are inodes
// like any other, so that workers report their blocks and the audit counts them, but their names
// are edges of a pseudo-directory of the staging's own, the whole key a name; a second one names
// the visible files that are to go. The swap moves the edges over. A load whose staging was cleared
// away, its time being over, must not go on in a new one, which lacks what the first one held.
import { storedMetadata } from '../../base/attributes/object-metadata.ts'
import { assertNever } from '../../base/assert.ts'
import type { Applied, Effect } from '../commands/commands.ts'
import { forgetDeadline } from './deadlines.ts'
import { compareKeys } from '../edge-order.ts'
import { done, refused } from '../commands/outcomes.ts'
import { fileAt, namespaceById } from '../resolve-path.ts'
import type { CommitStaging, DropStaging, StageListing, StagingCommand } from '../commands/staging-commands.ts'
import type { FileInode, NamespaceRecord, StagingRecord, Tables } from '../meta-tables.ts'
import type { Touch } from './touched-keys.ts'
import { dropBlocks, isSameVersion, nextId, Tree } from './tree.ts'

/** Edges that are read at once. */
const readAtOnce = 512
/** How long it is known that a staging was swapped in: longer than anybody waits to hear it. */
const committedKeptMs = 30 * 24 * 3_600_000
export const stagingExpiredMessage =
  'nothing was swapped in: the staged data had expired; load again with a longer --expire-time'

export function applyStaging(tables: Tables, command: StagingCommand): Applied {
  switch (command.type) {
    case 'stage_listing':
      return stageListing(tables, command)
    case 'commit_staging':
      return commitStaging(tables, command)
    case 'drop_staging':
      return dropStaging(tables, command)
    default:
      return assertNever(command)
  }
}

function stageListing(tables: Tables, command: StageListing): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  const before = tables.staging(command.stagingId)
  const known = before?.committed === true ? undefined : before
  if (command.number !== undefined && (known?.addedId !== command.number || known.dropping))
    return refused('failed_precondition', stagingExpiredMessage)
  if (known?.dropping === true || (known !== undefined && known.namespaceId !== command.namespaceId)) {
    return refused('unavailable', 'what was staged before is still being cleared away')
  }
  const { stagingId: id, namespaceId, expiresMs, atMs } = command
  const staging: StagingRecord =
    known === undefined
      ? {
          id,
          namespaceId,
          addedId: nextId(tables),
          removedId: nextId(tables),
          createdMs: atMs,
          expiresMs,
          dropping: false,
        }
      : { ...known, expiresMs }
  if (before !== undefined && known === undefined) tables.removeStaging(id)
  tables.putStaging(staging)
  const effects: Effect[] = []
  const fileIds = command.upserts.map((object) => {
    const stagedId = tables.edge(staging.addedId, object.key)
    const staged = stagedId === undefined ? undefined : fileOf(tables, stagedId)
    if (staged !== undefined && isSameVersion(staged, object)) return staged.id
    if (stagedId !== undefined) effects.push(...removeInode(tables, stagedId))
    const file = newFile(tables, record, staging.addedId, object, command)
    tables.putInode(file)
    tables.putEdge(staging.addedId, object.key, file.id)
    return file.id
  })
  const kept = new Set(command.upserts.map(({ key }) => key))
  for (const { name, inodeId } of edgesWithin(tables, staging.addedId, command)) {
    if (kept.has(name)) continue
    tables.removeEdge(staging.addedId, name)
    effects.push(...removeInode(tables, inodeId))
  }
  for (const { name } of edgesWithin(tables, staging.removedId, command)) tables.removeEdge(staging.removedId, name)
  for (const { key, fileId } of command.removals) tables.putEdge(staging.removedId, key, fileId)
  return done(command.upserts.length + command.removals.length, effects, fileIds)
}

function commitStaging(tables: Tables, command: CommitStaging): Applied {
  const staging = tables.staging(command.stagingId)
  if (command.number !== undefined && staging?.addedId !== command.number)
    return refused('failed_precondition', stagingExpiredMessage)
  if (staging === undefined || staging.committed === true) return done(0)
  if (staging.dropping) return refused('failed_precondition', 'what was staged is being cleared away: it was given up')
  const record = namespaceById(tables, staging.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  const tree = new Tree(tables, record.rootId, command.atMs)
  const dropped = tree.effects
  for (const { name, inodeId } of allEdges(tables, staging.addedId)) {
    const file = fileOf(tables, inodeId)
    tables.removeEdge(staging.addedId, name)
    if (file === undefined) continue
    forgetDeadline(tables, file)
    tables.removeInode(inodeId)
    if (!tree.putStaged(name, file)) dropped.push(dropBlocks(file))
  }
  for (const { name, inodeId } of allEdges(tables, staging.removedId)) {
    tables.removeEdge(staging.removedId, name)
    const file = fileAt(tables, record.rootId, name)
    if (file?.id === inodeId) tree.removeFile(name)
  }
  tables.putStaging({ ...staging, committed: true, expiresMs: command.atMs + committedKeptMs })
  // Readers that opened the old version before this read it to its end.
  return done(
    tree.changed,
    dropped.map((effect) => (effect.type === 'drop_blocks' ? { ...effect, mayBeRead: true } : effect)),
  )
}

function dropStaging(tables: Tables, { stagingId, limit }: DropStaging): Applied {
  const staging = tables.staging(stagingId)
  if (staging === undefined) return done(0)
  const effects: Effect[] = []
  let left = limit
  for (const parentId of [staging.addedId, staging.removedId]) {
    for (const { name, inodeId } of firstEdges(tables, parentId, left)) {
      tables.removeEdge(parentId, name)
      if (parentId === staging.addedId) effects.push(...removeInode(tables, inodeId))
      left -= 1
    }
  }
  if (left > 0) tables.removeStaging(stagingId)
  else tables.putStaging({ ...staging, dropping: true })
  return done(limit - left + 1, effects)
}

/** Drops what is put aside of these keys: it must not come back over what was changed since. */
export function unstage(tables: Tables, { namespaceId, keys, prefixes }: Touch): Effect[] {
  const effects: Effect[] = []
  for (const staging of tables.stagings()) {
    if (staging.namespaceId !== namespaceId || staging.dropping || staging.committed === true) continue
    const names = [...keys]
    for (const prefix of prefixes) {
      for (const { name } of tables.edges(staging.addedId, prefix)) {
        if (!name.startsWith(prefix)) break
        names.push(name)
      }
    }
    for (const name of names) {
      const inodeId = tables.edge(staging.addedId, name)
      if (inodeId === undefined) continue
      tables.removeEdge(staging.addedId, name)
      effects.push(...removeInode(tables, inodeId))
    }
  }
  return effects
}

function newFile(
  tables: Tables,
  record: NamespaceRecord,
  addedId: number,
  object: StageListing['upserts'][number],
  { atMs, blockSizeBytes }: StageListing,
): FileInode {
  const visible = fileAt(tables, record.rootId, object.key)
  const { key: name, length, etag, modifiedMs, storageClass, crc64 = '', metadata = {} } = object
  return {
    ...{
      kind: 'file',
      id: nextId(tables),
      parentId: addedId,
      name,
      length,
      etag,
      modifiedMs,
      createdMs: atMs,
      blockSizeBytes,
    },
    ...storedMetadata(metadata),
    ...{ storageClass, crc64, pinned: visible?.pinned ?? false },
    ...{ replicationMin: visible?.replicationMin ?? 0, replicationMax: visible?.replicationMax ?? -1 },
    ...{ ttlMs: -1, ttlAction: 'FREE', expiresMs: -1, persisted: true },
  }
}

function removeInode(tables: Tables, inodeId: number): Effect[] {
  const file = fileOf(tables, inodeId)
  if (file === undefined) return []
  forgetDeadline(tables, file)
  tables.removeInode(inodeId)
  return [dropBlocks(file)]
}

function fileOf(tables: Tables, inodeId: number): FileInode | undefined {
  const inode = tables.inode(inodeId)
  return inode?.kind === 'file' ? inode : undefined
}

function edgesWithin(
  tables: Tables,
  parentId: number,
  { afterKey, upToKey, onlyKey }: Pick<StageListing, 'afterKey' | 'upToKey' | 'onlyKey'>,
): { name: string; inodeId: number }[] {
  const found: { name: string; inodeId: number }[] = []
  if (onlyKey !== undefined) {
    const inodeId = tables.edge(parentId, onlyKey)
    return inodeId === undefined ? [] : [{ name: onlyKey, inodeId }]
  }
  for (const edge of tables.edges(parentId, afterKey ?? '')) {
    if (upToKey !== undefined && compareKeys(edge.name, upToKey) > 0) break
    if (edge.name !== afterKey) found.push(edge)
  }
  return found
}

/** All edges, read in pieces, so that those given out may be removed. */
function* allEdges(tables: Tables, parentId: number): Generator<{ name: string; inodeId: number }> {
  for (;;) {
    const some = firstEdges(tables, parentId, readAtOnce)
    yield* some
    if (some.length < readAtOnce) return
  }
}

function firstEdges(tables: Tables, parentId: number, limit: number): { name: string; inodeId: number }[] {
  const found: { name: string; inodeId: number }[] = []
  if (limit <= 0) return found
  for (const edge of tables.edges(parentId, '')) {
    found.push(edge)
    if (found.length >= limit) break
  }
  return found
}
