// Why: what users set on files and directories, and what happens when a TTL ends. How: an inode
// carries its deadline, the index of deadlines follows; freeing gives a file a new id, so that
// blocks of the old one go even from workers that were away when it happened.
import { toldMetadata } from '../../base/attributes/door-metadata.ts'
import { changedOwnership } from '../../base/attributes/ownership.ts'
import type { Applied, Effect } from '../commands/commands.ts'
import { forgetDeadline, moveDeadline } from './deadlines.ts'
import type { Expire, RenewFiles, SetAttributes } from '../commands/lifecycle-commands.ts'
import { effectiveTtl, noteTtlChange } from './namespace-ttl.ts'
import { done } from '../commands/outcomes.ts'
import { placeOf } from '../resolve-path.ts'
import {
  type DirectoryInode,
  type FileInode,
  type Inode,
  type PendingInode,
  pendingParentId,
  type Tables,
} from '../meta-tables.ts'
import { count, Tree } from './tree.ts'

/**
 * A file that may not be freed yet (pinned, or only here) is looked at again after its TTL, but not
 * sooner than this.
 */
const postponedMs = 60_000

/** Replicas that a file must have: what only the cache has needs at least one. */
export function replicationMinOf(file: FileInode): number {
  return file.persisted ? file.replicationMin : Math.max(1, file.replicationMin)
}

export function setAttributes(tables: Tables, command: SetAttributes): Applied {
  const effects: Effect[] = []
  let changed = 0
  const { pinned, ttl, replicationMin, replicationMax } = command
  const isKeptOtherwise = [pinned, ttl, replicationMin, replicationMax].some((given) => given !== undefined)
  for (const id of command.inodeIds) {
    const inode = tables.inode(id)
    if (inode === undefined || inode.kind === 'pending') continue
    if (inode.kind === 'directory' && command.ttl !== undefined) noteTtlChange(tables, inode, command.atMs)
    const next = inode.kind === 'file' ? changedFile(tables, inode, command) : changedDirectory(inode, command)
    if (next === inode) continue
    put(tables, inode, next)
    if (next.kind === 'file') {
      if (isKeptOtherwise) effects.push({ type: 'replication_changed', fileId: id })
      if (inode.pinned !== next.pinned) effects.push({ type: 'pin_changed', fileId: id })
    }
    changed += 1
  }
  return done(changed, effects)
}

function changedFile(tables: Tables, file: FileInode, command: SetAttributes): FileInode {
  const { atMs, pinned, ttl, replicationMin, replicationMax } = command
  const owned = changedOwnership('file', file, command)
  let next = owned === file ? file : { ...file, ...owned }
  if (pinned !== undefined && pinned !== next.pinned) next = { ...next, pinned }
  if (replicationMin !== undefined && replicationMin !== next.replicationMin) next = { ...next, replicationMin }
  if (replicationMax !== undefined && replicationMax !== next.replicationMax) next = { ...next, replicationMax }
  if (command.clientMetadata !== undefined) {
    const { clientMetadata: _before, ...others } = next
    next = { ...others, ...toldMetadata(command) }
  }
  if (command.times !== undefined) next = { ...next, times: { ...next.times, ...command.times } }
  if (ttl === undefined) return next
  next = { ...next, ttlMs: ttl.ttlMs, ttlAction: ttl.action }
  const { ttlMs } = effectiveTtl(tables, next)
  return { ...next, expiresMs: ttlMs < 0 ? -1 : atMs + ttlMs }
}

function changedDirectory(directory: DirectoryInode, command: SetAttributes): DirectoryInode {
  const { atMs, pinned, ttl, replicationMin, replicationMax } = command
  const owned = changedOwnership('directory', directory, command)
  let next = owned === directory ? directory : { ...directory, ...owned }
  if (pinned !== undefined && pinned !== next.pinned) next = { ...next, pinned }
  const { replicationMin: oldMin = 0, replicationMax: oldMax = -1 } = directory
  const replication = { replicationMin: replicationMin ?? oldMin, replicationMax: replicationMax ?? oldMax }
  if (replication.replicationMin !== oldMin || replication.replicationMax !== oldMax) next = { ...next, ...replication }
  if (command.times !== undefined) next = { ...next, times: { ...next.times, ...command.times } }
  if (ttl === undefined) return next
  // A namespace's root does not end; its files do.
  const expiresMs = ttl.ttlMs < 0 || directory.parentId === 0 ? -1 : atMs + ttl.ttlMs
  return { ...next, ttlMs: ttl.ttlMs, ttlAction: ttl.action, expiresMs }
}

export function renewFiles(tables: Tables, command: RenewFiles): Applied {
  const effects: Effect[] = []
  let changed = 0
  for (const id of command.fileIds) {
    const file = tables.inode(id)
    if (file?.kind !== 'file' || !file.persisted || (file.pinned && command.pinned !== true)) continue
    const tree = treeOf(tables, file, command.atMs)
    if (tree === undefined) continue
    tree.renew(file, file)
    effects.push(...tree.effects)
    changed += 1
  }
  return done(changed, effects)
}

export function expire(tables: Tables, command: Expire): Applied {
  const effects: Effect[] = []
  let changed = 0
  for (const id of command.inodeIds) {
    const inode = tables.inode(id)
    if (inode === undefined || inode.expiresMs < 0 || inode.expiresMs > command.atMs) continue
    if (inode.kind === 'file') effects.push(...expireFile(tables, inode, command.atMs))
    else if (inode.kind === 'pending') effects.push(...dropPending(tables, inode))
    else put(tables, inode, { ...inode, ttlMs: -1, ttlAction: 'FREE', expiresMs: -1 })
    changed += 1
  }
  return done(changed, effects)
}

/** Ends an unfinished file. @returns its blocks go */
export function dropPending(tables: Tables, pending: PendingInode): Effect[] {
  forgetDeadline(tables, pending)
  tables.removeEdge(pendingParentId, pending.name)
  count(tables, 'pending', -1)
  tables.removeInode(pending.id)
  return [{ type: 'drop_blocks', fileId: pending.id, blockCount: 0 }]
}

function expireFile(tables: Tables, file: FileInode, atMs: number): readonly Effect[] {
  const { ttlMs, action } = effectiveTtl(tables, file)
  const tree = treeOf(tables, file, atMs)
  if (tree === undefined || ttlMs < 0) put(tables, file, { ...file, expiresMs: -1 })
  else if (action === 'DELETE') tree.unlink(file)
  else if (!file.persisted || file.pinned)
    put(tables, file, { ...file, expiresMs: atMs + Math.max(ttlMs, postponedMs) })
  // Its own TTL has done its work; the namespace's holds for what is loaded again.
  else tree.renew(file, file.ttlMs >= 0 ? { ttlMs: -1, expiresMs: -1 } : { ttlMs: -1, expiresMs: atMs + ttlMs })
  return tree?.effects ?? []
}

function treeOf(tables: Tables, file: FileInode, atMs: number): Tree | undefined {
  const place = placeOf(tables, file)
  return place === undefined ? undefined : new Tree(tables, place.record.rootId, atMs)
}

function put(tables: Tables, old: Inode, next: Inode): void {
  moveDeadline(tables, old.id, old.expiresMs, next.expiresMs)
  tables.putInode(next)
}
