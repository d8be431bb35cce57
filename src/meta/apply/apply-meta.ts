// Why: the cache master's state machine. How: `apply` is synchronous and depends on the tables and
// the command only, so that replaying the journal gives the state that was; what has to happen
// outside (dropping blocks) comes back as effects.
import { isSameMetadata, storedMetadata } from '../../base/attributes/object-metadata.ts'
import { assertNever } from '../../base/assert.ts'
import { containersMax } from '../../base/block-id.ts'
import type {
  Applied,
  ApplyListing,
  ClearDetached,
  Command,
  CreateNamespace,
  DeleteNamespace,
  Effect,
  RemoveFile,
  SetDecommissioning,
  SetExpectedWorker,
  SetMetadata,
  SetReplication,
  UpdateNamespace,
} from '../commands/commands.ts'
import { forgetDeadline } from './deadlines.ts'
import { applyLifecycle } from './lifecycle.ts'
import type { LifecycleCommand } from '../commands/lifecycle-commands.ts'
import { done, refused } from '../commands/outcomes.ts'
import { directoryAt, fileAt, namespaceById, namespaceByName } from '../resolve-path.ts'
import { applyStaging, unstage } from './staging.ts'
import { detachedParentId, type Tables } from '../meta-tables.ts'
import { isLocalChange, touchesOf } from './touched-keys.ts'
import { count, dropBlocks, newDirectory, nextId, Tree } from './tree.ts'

/** From here on one command might ask for more ids than are left. */
const lastContainer = containersMax - 10_000_000

function makesRoom({ type }: Command): boolean {
  return (
    type === 'delete_namespace' ||
    type === 'clear_detached' ||
    type === 'remove_entries' ||
    type === 'detach' ||
    type === 'drop_staging'
  )
}

/** Edges that are read at once where a tree is cleared away. */
const clearedAtOnce = 64

/**
 * Applies one command. Never throws for what a command says: a command that cannot hold is refused
 * in the outcome.
 */
export function apply(tables: Tables, command: Command): Applied {
  if (tables.counter('containers') > lastContainer && !makesRoom(command))
    return refused('resource_exhausted', 'the master has given out all ids of files that there are')
  switch (command.type) {
    case 'create_namespace':
      return createNamespace(tables, command)
    case 'update_namespace':
      return updateNamespace(tables, command)
    case 'delete_namespace':
      return deleteNamespace(tables, command)
    case 'clear_detached':
      return clearDetached(tables, command)
    case 'apply_listing':
      return applyListing(tables, command)
    case 'remove_file':
      return removeFile(tables, command)
    case 'set_replication':
      return setReplication(tables, command)
    case 'set_metadata':
      return setMetadata(tables, command)
    case 'set_decommissioning':
      return setDecommissioning(tables, command)
    case 'set_expected_worker':
      return setExpectedWorker(tables, command)
    case 'make_directory':
    case 'remove_entries':
    case 'detach':
    case 'rename':
    case 'set_attributes':
    case 'follow_namespace_ttl':
    case 'end_ttl_change':
    case 'renew_files':
    case 'expire':
    case 'create_file':
    case 'complete_file':
    case 'abandon_file':
    case 'persist_files':
    case 'begin_write':
    case 'end_write':
      return command.unstages === true ? applyUnstaging(tables, command) : applyLifecycle(tables, command)
    case 'stage_listing':
    case 'commit_staging':
    case 'drop_staging':
      return applyStaging(tables, command)
    default:
      return assertNever(command)
  }
}

function applyUnstaging(tables: Tables, command: LifecycleCommand): Applied {
  const touches = isLocalChange(command) ? touchesOf(tables, command) : []
  const applied = applyLifecycle(tables, command)
  if (applied.outcome.refused !== undefined) return applied
  return { ...applied, effects: [...applied.effects, ...touches.flatMap((touch) => unstage(tables, touch))] }
}

function createNamespace(tables: Tables, command: CreateNamespace): Applied {
  if (namespaceByName(tables, command.name) !== undefined) {
    return refused('already_exists', `namespace '/${command.name}' exists already`)
  }
  const rootId = nextId(tables)
  const { ttlMs, action: ttlAction } = command.ttl ?? { ttlMs: -1, action: 'FREE' as const }
  tables.putInode({ ...newDirectory(rootId, detachedParentId, '', command.atMs), ttlMs, ttlAction })
  const { namespaceId, name, uri, attributes, sealedSecrets, atMs } = command
  tables.putNamespace({
    id: namespaceId,
    name,
    uri,
    attributes,
    sealedSecrets,
    createdMs: atMs,
    version: 1,
    rootId,
    neverMoved: true,
    ...(command.inHome === true && { inHome: true }),
  })
  return done(1)
}

function updateNamespace(tables: Tables, command: UpdateNamespace): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  if (record.version !== command.version)
    return refused('aborted', 'the namespace was updated by somebody else meanwhile: try again')
  const { attributes, sealedSecrets, atMs, otherStore = false, uri = record.uri } = command
  tables.putNamespace({
    ...record,
    uri,
    attributes,
    sealedSecrets,
    version: record.version + 1,
    ...(otherStore && { otherStoreMs: atMs }),
  })
  return done(1)
}

function deleteNamespace(tables: Tables, command: DeleteNamespace): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace is gone already')
  tables.removeNamespace(record.id)
  tables.putEdge(detachedParentId, `${record.rootId}/`, record.rootId)
  return done(1)
}

/** Deepest first, so that what is left is always a tree that hangs on its detached root. */
function clearDetached(tables: Tables, command: ClearDetached): Applied {
  const effects: Effect[] = []
  let cleared = 0
  while (cleared < command.limit) {
    const [top] = firstEdges(tables, detachedParentId, 1)
    if (top === undefined) break
    const path = [{ parentId: detachedParentId, name: top.name, id: top.inodeId }]
    for (let at = path.at(-1); at !== undefined && cleared < command.limit; at = path.at(-1)) {
      const below = firstEdges(tables, at.id, Math.min(clearedAtOnce, command.limit - cleared))
      const folder = below.find((edge) => edge.name.endsWith('/'))
      for (const edge of below) {
        if (edge.name.endsWith('/')) continue
        const inode = tables.inode(edge.inodeId)
        if (inode?.kind === 'file') {
          effects.push(dropBlocks(inode))
          forgetDeadline(tables, inode)
        }
        tables.removeEdge(at.id, edge.name)
        tables.removeInode(edge.inodeId)
        count(tables, 'files', -1)
        cleared += 1
      }
      if (folder !== undefined) {
        path.push({ parentId: at.id, name: folder.name, id: folder.inodeId })
      } else if (below.length === 0) {
        tables.removeEdge(at.parentId, at.name)
        const inode = tables.inode(at.id)
        if (inode?.kind === 'directory') forgetDeadline(tables, inode)
        tables.removeInode(at.id)
        if (at.parentId !== detachedParentId) count(tables, 'directories', -1)
        cleared += 1
        path.pop()
      }
    }
  }
  return { outcome: { fileIds: [], changed: cleared }, effects }
}

function applyListing(tables: Tables, command: ApplyListing): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  const tree = new Tree(tables, record.rootId, command.atMs)
  for (const key of command.removals) tree.removeFile(key)
  for (const key of command.unmarked) {
    const directory = directoryAt(tables, record.rootId, key)
    if (directory === undefined) continue
    if (directory.marker) tree.changeDirectory(key, (old) => ({ ...old, marker: false }))
    tree.prune(directory.id)
  }
  for (const { key, marker } of command.directories) {
    if (marker) tree.changeDirectory(key, (old) => (old.marker ? old : { ...old, marker: true }))
    else tree.ensureDirectory(key)
  }
  const fileIds = command.upserts.map((object) => tree.putFile(object, command.blockSizeBytes))
  for (const key of command.childrenListed) {
    if (directoryAt(tables, record.rootId, key) === undefined) continue
    tree.changeDirectory(key, (old) => ({ ...old, childrenListedMs: command.atMs }))
  }
  for (const key of command.treeListed) {
    if (directoryAt(tables, record.rootId, key) === undefined) continue
    tree.changeDirectory(key, (old) => ({ ...old, childrenListedMs: command.atMs, treeListedMs: command.atMs }))
  }
  return { outcome: { fileIds, changed: tree.changed }, effects: tree.effects }
}

function removeFile(tables: Tables, command: RemoveFile): Applied {
  const record = namespaceById(tables, command.namespaceId)
  if (record === undefined) return refused('not_found', 'the namespace was deleted meanwhile')
  const { key, fileId, atMs } = command
  const tree = new Tree(tables, record.rootId, atMs)
  if (fileId === undefined || fileAt(tables, record.rootId, key)?.id === fileId) tree.removeFile(key)
  return { outcome: { fileIds: [], changed: tree.changed }, effects: tree.effects }
}

function setReplication(tables: Tables, command: SetReplication): Applied {
  const effects: Effect[] = []
  for (const id of command.fileIds) {
    const inode = tables.inode(id)
    if (inode?.kind !== 'file') continue
    if (inode.replicationMin === command.min && inode.replicationMax === command.max) continue
    tables.putInode({ ...inode, replicationMin: command.min, replicationMax: command.max })
    effects.push({ type: 'replication_changed', fileId: id })
  }
  return { outcome: { fileIds: [], changed: effects.length }, effects }
}

function setMetadata(tables: Tables, command: SetMetadata): Applied {
  let changed = 0
  for (const { fileId, ...given } of command.files) {
    const inode = tables.inode(fileId)
    if (inode?.kind !== 'file' || !inode.persisted || isSameMetadata(inode, given)) continue
    const { contentType: _type, userMetadata: _metadata, ...kept } = inode
    tables.putInode({ ...kept, ...storedMetadata(given) })
    changed += 1
  }
  return done(changed)
}

function setDecommissioning(tables: Tables, command: SetDecommissioning): Applied {
  if (tables.decommissioning().has(command.workerId) === command.decommissioning) return done(0)
  tables.putDecommissioning(command.workerId, command.decommissioning)
  return done(1)
}

function setExpectedWorker(tables: Tables, command: SetExpectedWorker): Applied {
  if (tables.expectedWorkers().has(command.workerId) === command.expected) return done(0)
  tables.putExpectedWorker(command.workerId, command.expected)
  return done(1)
}

function firstEdges(tables: Tables, parentId: number, limit: number): { name: string; inodeId: number }[] {
  const found: { name: string; inodeId: number }[] = []
  for (const edge of tables.edges(parentId, '')) {
    found.push(edge)
    if (found.length >= limit) break
  }
  return found
}
