// Why: tests that throw odd commands at the master begin with one good command of every type; a new
// type does not compile without its sample here.
import { fileIdOf } from '../../../../src/base/block-id.ts'
import type { Command } from '../../../../src/meta/commands/commands.ts'
import { createNamespace, listing, object } from './commands.ts'

type Samples = { readonly [Type in Command['type']]: Extract<Command, { readonly type: Type }> }

const atMs = 5
const namespaceId = 'n1'
const file = fileIdOf(2)

export const commandSamples: Samples = {
  create_namespace: { ...createNamespace(), ttl: { ttlMs: 50, action: 'FREE' } } as Samples['create_namespace'],
  update_namespace: {
    ...{ type: 'update_namespace', atMs, namespaceId, version: 1, attributes: { color: 'red' } },
    sealedSecrets: { secret: Buffer.from('sealed') },
    otherStore: true,
  },
  delete_namespace: { type: 'delete_namespace', atMs, namespaceId: 'n2' },
  clear_detached: { type: 'clear_detached', atMs, limit: 100 },
  apply_listing: listing({
    upserts: [
      object('a', { metadata: { contentType: 'text/csv', userMetadata: { a: '1' } } }),
      object('d/b'),
      object('d/e/'),
    ],
    directories: [{ key: 'd/', marker: true }],
    removals: ['x'],
    unmarked: ['y/'],
    childrenListed: [''],
    treeListed: ['d/'],
  }),
  remove_file: { type: 'remove_file', atMs, namespaceId, key: 'a', fileId: file },
  set_replication: { type: 'set_replication', atMs, fileIds: [file], min: 1, max: 2 },
  set_metadata: {
    ...{ type: 'set_metadata', atMs },
    files: [{ fileId: file, contentType: 'text/plain', userMetadata: { project: 'x' } }, { fileId: fileIdOf(3) }],
  },
  set_decommissioning: { type: 'set_decommissioning', atMs, workerId: 'w1', decommissioning: true },
  set_expected_worker: { type: 'set_expected_worker', atMs, workerId: 'w1', expected: true },
  make_directory: { type: 'make_directory', atMs, namespaceId, key: 'made/deep/', listed: true },
  remove_entries: {
    type: 'remove_entries',
    atMs,
    namespaceId,
    files: [{ key: 'a', fileId: file }],
    directories: ['d/'],
  },
  detach: { type: 'detach', atMs, namespaceId, key: 'd/' },
  rename: {
    ...{ type: 'rename', atMs, namespaceId, from: 'a', to: 'moved/a', unstages: true },
    ...{ overwrites: true, replacesEtag: 'old', stored: { etag: 'moved', modifiedMs: 7, movedEtag: 'new' } },
  },
  set_attributes: {
    ...{ type: 'set_attributes', atMs, inodeIds: [file], pinned: true, ttl: { ttlMs: 10, action: 'DELETE' } },
    ...{ replicationMin: 1, replicationMax: -1, owner: 'alice', group: 'staff', mode: 0o640, modeMask: 0o7777 },
    times: { modified: { ms: -5, ns: 999_999 }, accessed: { ms: 5, ns: 0 } },
  },
  follow_namespace_ttl: { type: 'follow_namespace_ttl', atMs, fileIds: [file] },
  end_ttl_change: { type: 'end_ttl_change', atMs, rootId: fileIdOf(1) },
  renew_files: { type: 'renew_files', atMs, fileIds: [file] },
  expire: { type: 'expire', atMs, inodeIds: [file] },
  create_file: {
    ...{ type: 'create_file', atMs, namespaceId, key: 'w/new', blockSizeBytes: 4, requestKey: 'k1', expiresMs: 100 },
    ...{ owner: 'alice', group: 'staff', mode: 0o640, contentType: 'text/plain', userMetadata: { project: 'x' } },
    clientMetadata: { etag: 'x' },
    beside: true,
  },
  complete_file: {
    ...{ type: 'complete_file', atMs, fileId: fileIdOf(9), length: 10, clientMetadata: { etag: 'y' } },
    stored: { etag: 's', modifiedMs: 8 },
  },
  abandon_file: { type: 'abandon_file', atMs, fileId: fileIdOf(9) },
  begin_write: { type: 'begin_write', atMs, namespaceId: 'n1', key: 'd/f', fileId: file },
  end_write: { type: 'end_write', atMs, namespaceId: 'n1', key: 'd/f' },
  persist_files: { type: 'persist_files', atMs, files: [{ fileId: file, etag: 'p', modifiedMs: 7 }] },
  stage_listing: {
    ...{ type: 'stage_listing', atMs, stagingId: '/ns/s', namespaceId, blockSizeBytes: 4, expiresMs: 100 },
    ...{ afterKey: undefined, upToKey: 's/z', upserts: [object('s/a')], removals: [{ key: 'a', fileId: file }] },
  },
  commit_staging: { type: 'commit_staging', atMs, stagingId: '/ns/s' },
  drop_staging: { type: 'drop_staging', atMs, stagingId: '/ns/s', limit: 100 },
}
