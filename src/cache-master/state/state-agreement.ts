// Why: rows that are whole each may still not belong together, when damage brought an old page
// back. How: each inode must be found by its name, each name must lead to an inode, and there must
// be as many files and directories as are counted. Runs in the process that walks a copy
// (journal/state/state-check.ts).
import { Packr } from 'msgpackr'
import type { StateReader } from '../../journal/state/state-check.ts'
import {
  detachedParentId,
  type Inode,
  pendingParentId,
  type StagingRecord,
  writingParentId,
} from '../../meta/meta-tables.ts'
import { decodeInode } from './inode-rows.ts'
import { edgeKey, edgeKeyHead } from './lmdb-tables.ts'

const packr = new Packr({ useRecords: false })

export function agreementOf(state: StateReader): string[] {
  const inodes = state.bytes<number>('inodes')
  const edges = state.numbers('edges')
  const stagings = Array.from(
    state.bytes<string>('stagings').rows(),
    ({ value }) => packr.unpack(value) as StagingRecord,
  )
  const added = new Set(stagings.map(({ addedId }) => addedId))
  const removed = new Set(stagings.map(({ removedId }) => removedId))
  const leadsTo = (parentId: number, name: string, id: number): boolean => edges.get(edgeKey(parentId, name)) === id
  const counted = { files: 0, directories: 0, pending: 0 }
  const wrong = { unreadable: 0, nameless: 0, dangling: 0 }
  for (const { key: id, value } of inodes.rows()) {
    const inode = inodeOf(id, value)
    if (inode === undefined) {
      wrong.unreadable += 1
      continue
    }
    if (inode.kind === 'pending') {
      counted.pending += 1
      if (!leadsTo(pendingParentId, inode.name, id)) wrong.nameless += 1
      continue
    }
    // A namespace's root, or what is being cleared away.
    const isApart =
      inode.kind === 'directory' && (inode.parentId === detachedParentId || leadsTo(detachedParentId, `${id}/`, id))
    const isStaged = inode.kind === 'file' && added.has(inode.parentId)
    if (inode.kind === 'file' && !isStaged) counted.files += 1
    if (inode.kind === 'directory' && !isApart) counted.directories += 1
    // The name of what is staged is its whole key.
    if (!isApart && !isStaged && !leadsTo(inode.parentId, inode.name, id)) wrong.nameless += 1
  }
  for (const { key, value } of edges.rows()) {
    const parentId = key.readUIntBE(0, 2) * 2 ** 48 + key.readUIntBE(2, edgeKeyHead - 2)
    const isTree = parentId > writingParentId && !removed.has(parentId)
    if (isTree && inodes.get(value) === undefined) wrong.dangling += 1
  }
  const problems: string[] = []
  if (wrong.unreadable > 0) problems.push(`${wrong.unreadable} files or directories cannot be read`)
  if (wrong.nameless > 0) problems.push(`${wrong.nameless} files or directories are not found by their name`)
  if (wrong.dangling > 0) problems.push(`${wrong.dangling} names lead to no file or directory`)
  for (const [name, what, ifNotCounted] of [
    ['files', 'files', 0],
    ['directories', 'directories', 0],
    ['pending', 'unfinished files', counted.pending],
  ] as const) {
    const wanted = state.number(name) ?? ifNotCounted
    if (wanted !== counted[name]) problems.push(`there are ${counted[name]} ${what}, but ${wanted} are counted`)
  }
  return problems
}

function inodeOf(id: number, bytes: Buffer): Inode | undefined {
  try {
    return decodeInode(id, bytes)
  } catch {
    return undefined
  }
}
