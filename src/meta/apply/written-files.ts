// Why: a file that is written here must not be seen before it is whole, and must leave nothing when
// its writer goes away. How: until it is complete it is an inode in no directory, with a deadline;
// then it gets its name in one step, in the place of another file where that is wanted. What the
// store has of it comes later.
import { toldMetadata } from '../../base/attributes/door-metadata.ts'
import { storedMetadata } from '../../base/attributes/object-metadata.ts'
import { changedOwnership, ownershipOf } from '../../base/attributes/ownership.ts'
import type { WritePolicy } from '../../base/attributes/write-policy.ts'
import { blockCount, blocksPerFileMax } from '../../base/block-id.ts'
import { isHiddenKey } from '../../base/paths.ts'
import type { Applied, Effect } from '../commands/commands.ts'
import { forgetDeadline, moveDeadline } from './deadlines.ts'
import { dropPending } from './expiry.ts'
import type { AbandonFile, CompleteFile, CreateFile, PersistFiles } from '../commands/lifecycle-commands.ts'
import { done, refused } from '../commands/outcomes.ts'
import { directoryAt, fileAt, namespaceById } from '../resolve-path.ts'
import {
  type FileInode,
  type NamespaceRecord,
  type PendingInode,
  pendingParentId,
  type Tables,
  toPersistParentId,
} from '../meta-tables.ts'
import { forgetWrite, forgetWriteOf } from './store-writes.ts'
import { count, nextId, Tree } from './tree.ts'

/**
 * Files of these are written to the store without anybody asking. With CACHE_THROUGH and THROUGH
 * the writer asks, unless it ends before that.
 */
const writtenPolicies: ReadonlySet<string> = new Set(['ASYNC_THROUGH', 'CACHE_THROUGH', 'THROUGH'])

export function createFile(tables: Tables, command: CreateFile): Applied {
  const { namespaceId, key, requestKey, blockSizeBytes, atMs, expiresMs, overwrites, overwritesId, ttl } = command
  const { replacesEtag, beside, writePolicy } = command
  const known = requestKey === '' ? undefined : tables.edge(pendingParentId, `key:${requestKey}`)
  const same = known === undefined ? undefined : tables.inode(known)
  if (same?.kind === 'pending') {
    if (same.namespaceId === namespaceId && same.key === key) return done(0, [], [renewed(tables, same, expiresMs)])
    return refused('invalid_argument', 'the request key was used for another file')
  }
  const record = namespaceById(tables, namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  const taken = nameTaken(tables, record.rootId, command)
  if (taken !== undefined) return taken
  const id = nextId(tables)
  const name = requestKey === '' ? `id:${id}` : `key:${requestKey}`
  tables.putEdge(pendingParentId, name, id)
  const given = {
    ...{ ...ownershipOf(command), ...storedMetadata(command), ...toldMetadata(command) },
    ...(overwrites === true && { overwrites }),
    ...(overwritesId !== undefined && { overwritesId }),
    ...(beside === true && { beside }),
    ...(replacesEtag !== undefined && { replacesEtag }),
    ...(ttl !== undefined && { ttl }),
    ...(writePolicy !== undefined && { writePolicy }),
  }
  tables.putInode({ kind: 'pending', id, namespaceId, key, blockSizeBytes, createdMs: atMs, expiresMs, name, ...given })
  moveDeadline(tables, id, -1, expiresMs)
  count(tables, 'pending', 1)
  return done(1, [], [id])
}

/**
 * Refuses, and keeps the unfinished file, when its name was taken meanwhile. One that overwrites
 * takes the place of the file that has its name, in the same step: what only the cache had of that
 * is gone, what the store has of it is remembered until the new one is there.
 */
export function completeFile(tables: Tables, command: CompleteFile): Applied {
  const { fileId, length, atMs, stored } = command
  const pending = tables.inode(fileId)
  if (pending?.kind === 'file' && pending.length === length) return done(0, [], [fileId])
  if (pending?.kind !== 'pending')
    return refused('not_found', 'the file is not being written: it was abandoned, or waited too long')
  const record = namespaceById(tables, pending.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  if (blockCount(length, pending.blockSizeBytes) > blocksPerFileMax)
    return refused('invalid_argument', `a file has at most ${blocksPerFileMax} blocks: use a larger block size`)
  const taken = nameTaken(tables, record.rootId, pending)
  if (taken !== undefined) return taken
  forgetDeadline(tables, pending)
  tables.removeEdge(pendingParentId, pending.name)
  count(tables, 'pending', -1)
  const tree = new Tree(tables, record.rootId, atMs)
  const { old, parentId, inherited } = tree.makeRoom(pending.key)
  if (old !== undefined) forgetToPersist(tables, old.id)
  const replacesEtag = replacedEtag(pending, old)
  const { ttlMs, action: ttlAction } = pending.ttl ?? { ttlMs: old?.ttlMs ?? -1, action: old?.ttlAction ?? 'FREE' }
  const carried = { ...pending, ...givenAtEnd(command) }
  const metadata = { ...storedMetadata(carried), ...toldMetadata(carried) }
  tree.link({
    kind: 'file',
    id: fileId,
    parentId,
    name: pending.key.slice(pending.key.lastIndexOf('/') + 1),
    length,
    etag: stored?.etag ?? '',
    modifiedMs: stored?.modifiedMs ?? atMs,
    createdMs: atMs,
    blockSizeBytes: pending.blockSizeBytes,
    storageClass: 'STANDARD',
    crc64: '',
    ...inherited,
    ...{ ...changedOwnership('file', ownershipOf(old ?? {}), ownershipOf(pending)), ...metadata },
    ttlMs,
    ttlAction,
    expiresMs: tree.expiryOf(ttlMs),
    persisted: stored !== undefined,
    ...(stored === undefined && { writtenKey: pending.key }),
    ...(stored !== undefined || replacesEtag === '' ? {} : { replacesEtag }),
  })
  if (stored === undefined) noteWritten(tables, record, pending.key, fileId, pending.writePolicy)
  else forgetWriteOf(tables, record.id, pending.key)
  // Readers that opened the old version before this read it to its end.
  const effects: Effect[] = tree.effects.map((effect) =>
    effect.type === 'drop_blocks' ? { ...effect, mayBeRead: true } : effect,
  )
  effects.push({ type: 'replication_changed', fileId })
  if (stored !== undefined) effects.push({ type: 'persisted', fileId })
  if (inherited.pinned) effects.push({ type: 'pin_changed', fileId })
  return done(tree.changed, effects, [fileId])
}

/** Who asks again is writing it still: it is given up later. @returns its id */
function renewed(tables: Tables, pending: PendingInode, expiresMs: number): number {
  if (expiresMs > pending.expiresMs) {
    moveDeadline(tables, pending.id, pending.expiresMs, expiresMs)
    tables.putInode({ ...pending, expiresMs })
  }
  return pending.id
}

/** A complete file has this key now: its policy, or the namespace's, may want it at the store. */
export function noteWritten(
  tables: Tables,
  record: NamespaceRecord,
  key: string,
  fileId: number,
  own?: WritePolicy,
): void {
  if (writtenPolicies.has(own ?? record.attributes['writePolicy'] ?? '') && !isHiddenKey(key))
    tables.putEdge(toPersistParentId, toPersistName(fileId), fileId)
}

export function abandonFile(tables: Tables, command: AbandonFile): Applied {
  const pending = tables.inode(command.fileId)
  return pending?.kind === 'pending' ? done(1, dropPending(tables, pending)) : done(0)
}

export function persistFiles(tables: Tables, command: PersistFiles): Applied {
  const effects: Effect[] = []
  let changed = 0
  for (const { fileId, etag, modifiedMs } of command.files) {
    const file = tables.inode(fileId)
    forgetToPersist(tables, fileId)
    if (file?.kind !== 'file' || etag === '' || (file.persisted && file.etag === etag)) continue
    // From now on blocks may come from the store as well, under the key that the file has by then.
    const { writtenKey: _key, replacesEtag: _etag, ...kept } = file
    tables.putInode({ ...kept, persisted: true, etag, modifiedMs })
    forgetWrite(tables, file)
    changed += 1
    effects.push({ type: 'replication_changed', fileId })
    if (!file.persisted) effects.push({ type: 'persisted', fileId })
  }
  return done(changed, effects)
}

/** It waits for the store no more. */
export function forgetToPersist(tables: Tables, fileId: number): void {
  tables.removeEdge(toPersistParentId, toPersistName(fileId))
}

/** Whether a file waits for the store without anybody asking. */
export function isToBePersisted(tables: Tables, fileId: number): boolean {
  return tables.edge(toPersistParentId, toPersistName(fileId)) !== undefined
}

/** Whether any file waits for the store without anybody asking. */
export function isAnyToBePersisted(tables: Tables): boolean {
  return !Iterator.from(tables.edges(toPersistParentId, '')).take(1).next().done
}

/** What the writer says when the file is complete. */
function givenAtEnd({ contentType, userMetadata, clientMetadata }: CompleteFile): Partial<CompleteFile> {
  return {
    ...(contentType !== undefined && { contentType }),
    ...(userMetadata !== undefined && { userMetadata }),
    ...(clientMetadata !== undefined && { clientMetadata }),
  }
}

function toPersistName(fileId: number): string {
  return String(fileId).padStart(16, '0')
}

/** The version at the store that a written file takes the place of; empty: none. */
export function replacedEtag(pending: Pick<PendingInode, 'replacesEtag'>, old: FileInode | undefined): string {
  return (old?.persisted === true ? old.etag : (pending.replacesEtag ?? old?.replacesEtag)) ?? ''
}

/** Why a file cannot get its name; undefined: it can. */
export function nameTaken(
  tables: Tables,
  rootId: number,
  { key, overwrites, overwritesId, beside }: Pick<PendingInode, 'key' | 'overwrites' | 'overwritesId' | 'beside'>,
): Applied | undefined {
  const file = fileAt(tables, rootId, key)
  if (overwritesId !== undefined && file?.id !== overwritesId)
    return refused('aborted', `${key} was changed or removed meanwhile`)
  if (overwrites !== true && file !== undefined)
    return refused('already_exists', `${key} exists already: remove it first`)
  if (beside !== true && directoryAt(tables, rootId, key) !== undefined)
    return refused('already_exists', `${key} is a directory`)
  return undefined
}
