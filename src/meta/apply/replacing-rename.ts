// Why: programs save a file by writing a new one and renaming it over the old one, and nobody must
// ever see neither. How: the new file takes the old one's name in one step. What users set on the
// path stays, as with a file that is written there (written-files.ts); owner, mode and metadata
// come with the new file. What the store has of the old one is remembered until the new one is
// there.
import { isHiddenKey } from '../../base/paths.ts'
import type { Applied, Effect } from '../commands/commands.ts'
import type { Rename } from '../commands/lifecycle-commands.ts'
import { done, refused } from '../commands/outcomes.ts'
import type { FileInode, NamespaceRecord, Tables } from '../meta-tables.ts'
import { directoryAt, fileAt } from '../resolve-path.ts'
import { forgetDeadline } from './deadlines.ts'
import { count, Tree } from './tree.ts'
import { forgetToPersist, noteWritten } from './written-files.ts'

/** Applies a rename with `overwrites`. @param file what is at `from` */
export function replaceFile(tables: Tables, record: NamespaceRecord, command: Rename, file: FileInode): Applied {
  const { from, to, stored, atMs } = command
  if (from === to) return done(0, [], [file.id])
  // Another client has put its own object at the old name, and somebody has looked at it.
  if (stored?.movedEtag !== undefined && stored.movedEtag !== file.etag)
    return refused('not_found', `${from} is another file by now`)
  const replaced = fileAt(tables, record.rootId, to)
  // What the store has moved is moved here, too, whatever has come to be beside it.
  if (replaced === undefined && stored === undefined && directoryAt(tables, record.rootId, to) !== undefined)
    return refused('already_exists', `${to} is a directory`)
  if (record.neverMoved === true) tables.putNamespace({ ...record, neverMoved: false })
  forgetDeadline(tables, file)
  tables.removeEdge(file.parentId, file.name)
  count(tables, 'files', -1)
  if (replaced !== undefined) forgetToPersist(tables, replaced.id)
  const tree = new Tree(tables, record.rootId, atMs)
  const { old, parentId, inherited } = tree.makeRoom(to)
  const appears = isHiddenKey(from) && !isHiddenKey(to)
  const ttl = old ?? (appears ? { ttlMs: -1, ttlAction: 'FREE' as const } : file)
  const expiresMs = old === undefined && !appears ? file.expiresMs : tree.expiryOf(ttl.ttlMs)
  const moved: FileInode = {
    ...versioned(file, old, command),
    ...{ parentId, name: to.slice(to.lastIndexOf('/') + 1) },
    ...(old !== undefined && inherited),
    ...{ ttlMs: ttl.ttlMs, ttlAction: ttl.ttlAction, expiresMs },
  }
  tree.link(moved)
  if (appears && !moved.persisted) noteWritten(tables, record, to, moved.id)
  tree.prune(file.parentId)
  return done(tree.changed, [...readEffects(tree.effects), ...changedEffects(file, moved)], [file.id])
}

/** The file with what is known of its object at the new name. */
function versioned(file: FileInode, old: FileInode | undefined, { stored, replacesEtag }: Rename): FileInode {
  if (file.persisted) return stored === undefined ? file : { ...file, etag: stored.etag, modifiedMs: stored.modifiedMs }
  const { replacesEtag: _before, ...unversioned } = file
  const replaces = old?.persisted === true ? old.etag : (replacesEtag ?? old?.replacesEtag)
  return replaces === undefined || replaces === '' ? unversioned : { ...unversioned, replacesEtag: replaces }
}

/** Readers that opened the old version before this read it to its end. */
function readEffects(effects: readonly Effect[]): Effect[] {
  return effects.map((effect) => (effect.type === 'drop_blocks' ? { ...effect, mayBeRead: true } : effect))
}

function changedEffects(
  before: FileInode,
  { id: fileId, pinned, replicationMin, replicationMax }: FileInode,
): Effect[] {
  const effects: Effect[] = []
  if (before.replicationMin !== replicationMin || before.replicationMax !== replicationMax)
    effects.push({ type: 'replication_changed', fileId })
  if (before.pinned !== pinned) effects.push({ type: 'pin_changed', fileId })
  return effects
}
