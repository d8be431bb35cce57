// Why: a state of an older version must open, and what is not set must cost nothing. How: rows as
// version 0.2.0 wrote them, byte for byte, and every field set at once.
import { describe, expect, it } from 'vitest'
import { decodeInode, encodeInode } from '../../../src/cache-master/state/inode-rows.ts'
import type { DirectoryInode, FileInode, Inode, PendingInode } from '../../../src/meta/meta-tables.ts'

const file: FileInode = {
  ...{ kind: 'file', id: 2097151, parentId: 1048575, name: 'a.bin', length: 300, etag: 'e1', modifiedMs: 1000 },
  ...{ createdMs: 2000, blockSizeBytes: 128, storageClass: 'STANDARD', crc64: '', pinned: false, replicationMin: 0 },
  ...{ replicationMax: -1, ttlMs: -1, ttlAction: 'FREE', expiresMs: -1, persisted: true },
}
const directory: DirectoryInode = {
  ...{ kind: 'directory', id: 3145727, parentId: 1048575, name: 'd/', createdMs: 5, childrenListedMs: -1 },
  ...{ treeListedMs: -1, marker: true, made: false, pinned: false, ttlMs: -1, ttlAction: 'FREE', expiresMs: -1 },
}
const pending: PendingInode = {
  ...{ kind: 'pending', id: 2097151, namespaceId: 'n1', key: 'w/new', blockSizeBytes: 4, createdMs: 5 },
  ...{ expiresMs: 100, name: 'key:k1' },
}
const unpersisted = { ...file, etag: '', persisted: false }

const older: readonly (readonly [what: string, inode: Inode, row: string])[] = [
  ['a file', file, '9f01ce000fffffa5612e62696ecd012ca26531cd03e8cd07d0cc80a85354414e44415244a0c200ffffc2'],
  [
    'a file with a TTL',
    { ...file, pinned: true, ttlMs: 9, ttlAction: 'DELETE', expiresMs: 2009 },
    'dc001001ce000fffffa5612e62696ecd012ca26531cd03e8cd07d0cc80a85354414e44415244a0c300ff09c3cd07d9',
  ],
  [
    'a file that is not persisted',
    unpersisted,
    'dc001101ce000fffffa5612e62696ecd012ca0cd03e8cd07d0cc80a85354414e44415244a0c200ffffc2ffc3',
  ],
  [
    'a file that was written here',
    { ...unpersisted, writtenKey: 'w/a.bin' },
    'dc001201ce000fffffa5612e62696ecd012ca0cd03e8cd07d0cc80a85354414e44415244a0c200ffffc2ffc3a7772f612e62696e',
  ],
  ['a directory', directory, '9702ce000fffffa2642f05ffffc3'],
  ['a directory that was made', { ...directory, marker: false, made: true }, '9c02ce000fffffa2642f05ffffc2c3c2ffc2ff'],
  [
    'a directory with replication',
    { ...directory, replicationMin: 1, replicationMax: -1 },
    '9e02ce000fffffa2642f05ffffc3c2c2ffc2ff01ff',
  ],
  ['a directory with a TTL', { ...directory, ttlMs: 5, expiresMs: 10 }, '9c02ce000fffffa2642f05ffffc3c2c205c20a'],
  ['a file that is being written', pending, '9703a26e31a5772f6e6577040564a66b65793a6b31'],
]

const owned = { owner: 'alice', group: 'staff', mode: 0o640 }
const stored = { contentType: 'text/plain', userMetadata: { project: 'x', empty: '' } }

const told = { clientMetadata: { etag: '"x"', tags: '' } }

describe('rows of inodes', () => {
  it.each(older)('of version 0.2.0 can be read: %s', (_what, inode, row) => {
    expect(decodeInode(inode.id, Buffer.from(row, 'hex'))).toEqual(inode)
  })

  it.each(older)('are no longer than before where nothing new is set: %s', (_what, inode, row) => {
    expect(encodeInode(inode).length).toBeLessThanOrEqual(row.length / 2)
  })

  it.each<[string, Inode]>([
    ['file', { ...file, ...owned, ...stored }],
    ['file with a mode of 0', { ...file, mode: 0 }],
    ['file with a type', { ...file, contentType: 'text/html' }],
    ['written file', { ...unpersisted, writtenKey: 'w', expiresMs: 7, ...stored }],
    ['file that overwrites', { ...unpersisted, writtenKey: 'w', replacesEtag: 'e0' }],
    ['file that will overwrite', { ...pending, overwrites: true }],
    ['file that will overwrite one version', { ...pending, overwrites: true, overwritesId: 5 }],
    ['file that may be beside a directory', { ...pending, beside: true }],
    ['file that will be at the store', { ...pending, writePolicy: 'THROUGH' }],
    ['file that will have a TTL', { ...pending, ttl: { ttlMs: 5, action: 'DELETE' } }],
    ['file with a time', { ...file, times: { modified: { ms: -1, ns: 0 } } }],
    ['file with times', { ...file, ...owned, times: { modified: { ms: 5, ns: 6 }, accessed: { ms: 0, ns: 0 } } }],
    ['directory with a time', { ...directory, times: { accessed: { ms: -1, ns: 5 } } }],
    ['file that a door wrote', { ...file, ...told }],
    ['file that a door writes', { ...pending, ...told }],
    ['directory', { ...directory, ...owned }],
    ['directory with a group', { ...directory, replicationMin: 0, replicationMax: -1, group: 'g' }],
    ['directory with replication of 0', { ...directory, replicationMin: 0, replicationMax: -1 }],
    ['file that is being written', { ...pending, ...owned, ...stored }],
  ])('keep what is set: %s', (_what, inode) => {
    expect(decodeInode(inode.id, encodeInode(inode))).toEqual(inode)
  })
})
