// Why: a namespace's TTL holds for every file in it that has none of its own, and a namespace may
// have millions: they follow a change page by page, and a restart in between must not leave half of
// them behind. How: the change is noted in the state, with its time, until all have followed;
// whoever goes on with it counts from that time.
import type { Applied } from '../commands/commands.ts'
import { moveDeadline } from './deadlines.ts'
import type { EndTtlChange, FollowNamespaceTtl } from '../commands/lifecycle-commands.ts'
import { done } from '../commands/outcomes.ts'
import { placeOf } from '../resolve-path.ts'
import { type DirectoryInode, type FileInode, type Tables, type TtlAction, ttlChangeParentId } from '../meta-tables.ts'

/** A change that has not reached every file. */
export interface TtlChange {
  readonly rootId: number
  /** When the TTL was set. */
  readonly atMs: number
}

const digits = 16

export interface EffectiveTtl {
  /** -1 = none. */
  readonly ttlMs: number
  readonly action: TtlAction
}

/** The TTL that a file has by itself or from its namespace. */
export function effectiveTtl(tables: Tables, file: FileInode): EffectiveTtl {
  if (file.ttlMs >= 0) return { ttlMs: file.ttlMs, action: file.ttlAction }
  return namespaceTtl(tables, placeOf(tables, file)?.record.rootId ?? 0)
}

/** The TTL of all files of a namespace that have none of their own. */
export function namespaceTtl(tables: Tables, rootId: number): EffectiveTtl {
  const root = tables.inode(rootId)
  return root?.kind === 'directory' ? { ttlMs: root.ttlMs, action: root.ttlAction } : { ttlMs: -1, action: 'FREE' }
}

/**
 * Notes the change where the directory is a namespace's root; a later change takes the place of an
 * earlier one.
 */
export function noteTtlChange(tables: Tables, directory: DirectoryInode, atMs: number): void {
  if (directory.parentId !== 0) return
  for (const change of ttlChanges(tables)) if (change.rootId === directory.id) forget(tables, change)
  tables.putEdge(ttlChangeParentId, nameOf({ rootId: directory.id, atMs }), directory.id)
}

/** Changes that have not reached every file, as far as is known. */
export function ttlChanges(tables: Tables): TtlChange[] {
  const changes: TtlChange[] = []
  for (const { name, inodeId } of tables.edges(ttlChangeParentId, ''))
    changes.push({ rootId: inodeId, atMs: Number(name.slice(0, digits)) })
  return changes
}

export function followNamespaceTtl(tables: Tables, command: FollowNamespaceTtl): Applied {
  let changed = 0
  for (const id of command.fileIds) {
    const file = tables.inode(id)
    // Who came after the change has the new TTL, counted from its own time.
    if (file?.kind !== 'file' || file.ttlMs >= 0 || file.createdMs > command.atMs) continue
    const { ttlMs } = effectiveTtl(tables, file)
    const expiresMs = ttlMs < 0 ? -1 : command.atMs + ttlMs
    moveDeadline(tables, file.id, file.expiresMs, expiresMs)
    tables.putInode({ ...file, expiresMs })
    changed += 1
  }
  return done(changed)
}

export function endTtlChange(tables: Tables, { rootId, atMs }: EndTtlChange): Applied {
  if (tables.edge(ttlChangeParentId, nameOf({ rootId, atMs })) === undefined) return done(0)
  forget(tables, { rootId, atMs })
  return done(1)
}

function forget(tables: Tables, change: TtlChange): void {
  tables.removeEdge(ttlChangeParentId, nameOf(change))
}

function nameOf({ rootId, atMs }: TtlChange): string {
  return String(Math.trunc(atMs)).padStart(digits, '0') + String(rootId).padStart(digits, '0')
}
