// Why: what users change in directories and files. How: as apply.ts, which hands these commands on;
// the steps are the tree's. Deadlines are in expiry.ts, files that are written here in
// written-files.ts.
import { assertNever } from '../../base/assert.ts'
import { isHiddenKey } from '../../base/paths.ts'
import type { Applied } from '../commands/commands.ts'
import { forgetDeadline, moveDeadline } from './deadlines.ts'
import { expire, renewFiles, setAttributes } from './expiry.ts'
import type { Detach, LifecycleCommand, MakeDirectory, RemoveEntries, Rename } from '../commands/lifecycle-commands.ts'
import { endTtlChange, followNamespaceTtl } from './namespace-ttl.ts'
import { done, refused } from '../commands/outcomes.ts'
import { beginWrite, endWrite } from './store-writes.ts'
import { directoryAt, fileAt, namespaceById } from '../resolve-path.ts'
import { detachedParentId, type FileInode, type NamespaceRecord, type Tables } from '../meta-tables.ts'
import { count, Tree } from './tree.ts'
import { replaceFile } from './replacing-rename.ts'
import { abandonFile, completeFile, createFile, noteWritten, persistFiles } from './written-files.ts'

export function applyLifecycle(tables: Tables, command: LifecycleCommand): Applied {
  switch (command.type) {
    case 'make_directory':
      return makeDirectory(tables, command)
    case 'remove_entries':
      return removeEntries(tables, command)
    case 'detach':
      return detach(tables, command)
    case 'rename':
      return rename(tables, command)
    case 'set_attributes':
      return setAttributes(tables, command)
    case 'follow_namespace_ttl':
      return followNamespaceTtl(tables, command)
    case 'end_ttl_change':
      return endTtlChange(tables, command)
    case 'renew_files':
      return renewFiles(tables, command)
    case 'expire':
      return expire(tables, command)
    case 'create_file':
      return createFile(tables, command)
    case 'complete_file':
      return completeFile(tables, command)
    case 'abandon_file':
      return abandonFile(tables, command)
    case 'persist_files':
      return persistFiles(tables, command)
    case 'begin_write':
      return beginWrite(tables, command)
    case 'end_write':
      return endWrite(tables, command)
    default:
      return assertNever(command)
  }
}

function makeDirectory(tables: Tables, command: MakeDirectory): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return namespaceGone()
  const tree = new Tree(tables, record.rootId, command.atMs)
  for (let slash = command.key.indexOf('/'); slash >= 0; slash = command.key.indexOf('/', slash + 1)) {
    const key = command.key.slice(0, slash + 1)
    const isAgain = command.explicit === true && key === command.key
    const known = directoryAt(tables, record.rootId, key)
    if (known !== undefined && isAgain && !known.made) tree.changeDirectory(key, (old) => ({ ...old, made: true }))
    if (known !== undefined) continue
    const listed =
      command.listed && key === command.key ? { childrenListedMs: command.atMs, treeListedMs: command.atMs } : {}
    tree.changeDirectory(key, (old) => ({ ...old, ...listed, made: true }))
  }
  return done(tree.changed)
}

function removeEntries(tables: Tables, command: RemoveEntries): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return namespaceGone()
  const tree = new Tree(tables, record.rootId, command.atMs)
  for (const key of command.directories) {
    const directory = directoryAt(tables, record.rootId, key)
    if (directory === undefined) continue
    if (directory.marker || directory.made) tree.changeDirectory(key, (old) => ({ ...old, marker: false, made: false }))
    tree.prune(directory.id)
  }
  for (const { key, fileId } of command.files) {
    const file = fileAt(tables, record.rootId, key)
    if (file?.id === fileId) tree.unlink(file)
  }
  return done(tree.changed, tree.effects)
}

function detach(tables: Tables, command: Detach): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return namespaceGone()
  const directory = directoryAt(tables, record.rootId, command.key)
  if (directory === undefined || directory.id === record.rootId)
    return refused('not_found', `${command.key} does not exist`)
  const tree = new Tree(tables, record.rootId, command.atMs)
  tables.removeEdge(directory.parentId, directory.name)
  tables.putEdge(detachedParentId, `${directory.id}/`, directory.id)
  forgetDeadline(tables, directory)
  tables.putInode({ ...directory, parentId: detachedParentId, name: '', expiresMs: -1 })
  count(tables, 'directories', -1)
  tree.prune(directory.parentId)
  return done(tree.changed + 1)
}

function rename(tables: Tables, command: Rename): Applied {
  const { namespaceId, from, to } = command
  const record = namespaceById(tables, namespaceId)
  if (record === undefined) return namespaceGone()
  const folder = from.endsWith('/')
  const inode = folder ? directoryAt(tables, record.rootId, from) : fileAt(tables, record.rootId, from)
  if (inode === undefined || inode.id === record.rootId) return refused('not_found', `${from} does not exist`)
  if (folder && to.startsWith(from)) return refused('invalid_argument', `${from} cannot be moved into itself`)
  if (inode.kind === 'file' && command.overwrites === true) return replaceFile(tables, record, command, inode)
  const taken = directoryAt(tables, record.rootId, to) ?? (folder ? undefined : fileAt(tables, record.rootId, to))
  if (taken !== undefined) return refused('already_exists', `${to} exists already`)
  if (record.neverMoved === true) tables.putNamespace({ ...record, neverMoved: false })
  const tree = new Tree(tables, record.rootId, command.atMs)
  // The directory `/` right below the root has no other slash before its own.
  const slash = to.length === 1 ? 0 : to.lastIndexOf('/', to.length - 2) + 1
  const parentId = tree.ensureDirectory(to.slice(0, slash))
  const name = to.slice(slash)
  tables.removeEdge(inode.parentId, inode.name)
  tables.putEdge(parentId, name, inode.id)
  const moved = { ...inode, parentId, name }
  const appears = moved.kind === 'file' && isHiddenKey(from) && !isHiddenKey(to)
  tables.putInode(appears ? asWrittenAt(tables, tree, record, to, moved) : moved)
  tree.prune(inode.parentId)
  return done(tree.changed + 1, [], folder ? [] : [inode.id])
}

/** A file that leaves the doors' keys is as if written at its new one: it has no TTL of its own. */
function asWrittenAt(tables: Tables, tree: Tree, record: NamespaceRecord, key: string, file: FileInode): FileInode {
  const expiresMs = tree.expiryOf(-1)
  moveDeadline(tables, file.id, file.expiresMs, expiresMs)
  if (!file.persisted) noteWritten(tables, record, key, file.id)
  return { ...file, ttlMs: -1, ttlAction: 'FREE', expiresMs }
}

function namespaceGone(): Applied {
  return refused('not_found', 'the namespace was deleted meanwhile')
}
