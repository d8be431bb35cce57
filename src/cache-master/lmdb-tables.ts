// Why: metadata must outgrow memory and come back after a crash. The only file here that imports lmdb.
// How: one LMDB environment; every batch of commands is one synchronous transaction together with the last applied
// sequence. Commits do not wait for the disk (`noSync`; a sync would hold up the event loop): a killed process loses
// nothing by that, and after `flush` neither does the machine; what came later is in the journal. lmdb 3.5.6 syncs in
// transactionSync whatever flags it is given, so its `overlappingSync` is no way around this.
import { mkdirSync } from 'node:fs'
import { open, type Database, type RootDatabase } from 'lmdb'
import { Packr } from 'msgpackr'
import { assert } from '../base/assert.ts'
import { SkeinError } from '../base/errors.ts'
import type { CounterName, DirectoryInode, Edge, FileInode, Inode, NamespaceRecord, Tables } from '../meta/tables.ts'

const mapBytes = 2 ** 40
/** Arrays instead of maps: the layouts below are the format. */
const packr = new Packr({ useRecords: false })

type FileRow = [
  kind: 1,
  ...fields: [number, string, number, string, number, number, number, string, string, boolean, number, number, number, boolean],
]
type DirectoryRow = [kind: 2, ...fields: [number, string, number, number, number, boolean]]

export class LmdbTables implements Tables {
  readonly #root: RootDatabase
  readonly #state: Database<number, string>
  readonly #namespaceRows: Database<Buffer, string>
  readonly #inodes: Database<Buffer, number>
  readonly #edges: Database<number, Buffer>
  /** Few, and asked for at every call. */
  readonly #namespaces = new Map<string, NamespaceRecord>()
  readonly #counters = new Map<CounterName, number>()
  #closed = false

  /** Opens or creates the state below `path` (mode 0700). */
  constructor(path: string) {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    this.#root = open({ path, maxDbs: 8, mapSize: mapBytes, noSubdir: false, noSync: true })
    this.#state = this.#root.openDB<number, string>({ name: 'state', encoding: 'ordered-binary' })
    this.#namespaceRows = this.#root.openDB<Buffer, string>({ name: 'namespaces', encoding: 'binary' })
    this.#inodes = this.#root.openDB<Buffer, number>({ name: 'inodes', encoding: 'binary' })
    this.#edges = this.#root.openDB<number, Buffer>({ name: 'edges', encoding: 'ordered-binary', keyEncoding: 'binary' })
    this.#load()
  }

  /** Sequence of the last command in the state; 0n when there is none. */
  get lastApplied(): bigint {
    return BigInt(this.#state.get('last_applied') ?? 0)
  }

  /** Runs `change` as one transaction that ends with `lastApplied`. When it throws, nothing of it has happened. */
  transact(lastApplied: bigint, change: () => void): void {
    try {
      this.#root.transactionSync(() => {
        change()
        for (const [name, value] of this.#counters) void this.#state.put(name, value)
        void this.#state.put('last_applied', Number(lastApplied))
      })
    } catch (error) {
      this.#load()
      throw error
    }
  }

  /** Resolves when everything that was committed is on the disk. */
  flush(): Promise<void> {
    // lmdb's types leave out `sync`; its promise `flushed` does not cover synchronous transactions.
    const environment = this.#root as RootDatabase & { sync(callback: (error?: Error) => void): void }
    return new Promise((resolve, reject) => environment.sync((error) => (error instanceof Error ? reject(error) : resolve())))
  }

  async close(): Promise<void> {
    await this.flush()
    this.#closed = true
    await this.#root.close()
  }

  namespaces(): Iterable<NamespaceRecord> {
    return this.#namespaces.values()
  }

  putNamespace(record: NamespaceRecord): void {
    void this.#namespaceRows.put(record.id, packr.pack(record))
    this.#namespaces.set(record.id, record)
  }

  removeNamespace(id: string): void {
    void this.#namespaceRows.remove(id)
    this.#namespaces.delete(id)
  }

  inode(id: number): Inode | undefined {
    this.#checkOpen()
    const bytes = this.#inodes.getBinaryFast(id)
    return bytes === undefined ? undefined : decodeInode(id, bytes)
  }

  putInode(inode: Inode): void {
    void this.#inodes.put(inode.id, encodeInode(inode))
  }

  removeInode(id: number): void {
    void this.#inodes.remove(id)
  }

  edge(parentId: number, name: string): number | undefined {
    this.#checkOpen()
    return this.#edges.get(edgeKey(parentId, name))
  }

  putEdge(parentId: number, name: string, inodeId: number): void {
    void this.#edges.put(edgeKey(parentId, name), inodeId)
  }

  removeEdge(parentId: number, name: string): void {
    void this.#edges.remove(edgeKey(parentId, name))
  }

  *edges(parentId: number, from: string): Generator<Edge> {
    this.#checkOpen()
    for (const { key, value } of this.#edges.getRange({ start: edgeKey(parentId, from), end: edgeKey(parentId + 1, '') })) {
      yield { name: key.toString('utf8', edgeKeyHead), inodeId: value }
    }
  }

  counter(name: CounterName): number {
    return this.#counters.get(name) ?? 0
  }

  putCounter(name: CounterName, value: number): void {
    this.#counters.set(name, value)
  }

  /** lmdb must not be asked after its end; a long walk may still be on its way then. */
  #checkOpen(): void {
    if (this.#closed) throw new SkeinError('unavailable', 'the master is closing')
  }

  #load(): void {
    this.#namespaces.clear()
    for (const { key, value } of this.#namespaceRows.getRange({})) {
      const record: unknown = packr.unpack(value)
      assert(typeof record === 'object' && record !== null, `namespace row ${key}`)
      this.#namespaces.set(key, record as NamespaceRecord)
    }
    for (const name of ['containers', 'files', 'directories'] as const) this.#counters.set(name, this.#state.get(name) ?? 0)
  }
}

const edgeKeyHead = 8

/** Parent id as 8 bytes, big end first, then the name in UTF-8: so LMDB's order is the order of the names. */
function edgeKey(parentId: number, name: string): Buffer {
  const key = Buffer.allocUnsafe(edgeKeyHead + Buffer.byteLength(name))
  key.writeUInt32BE(Math.floor(parentId / 2 ** 32), 0)
  key.writeUInt32BE(parentId % 2 ** 32, 4)
  key.write(name, edgeKeyHead, 'utf8')
  return key
}

function encodeInode(inode: Inode): Buffer {
  if (inode.kind === 'directory') {
    const { parentId, name, createdMs, childrenListedMs, treeListedMs, marker } = inode
    return packr.pack([2, parentId, name, createdMs, childrenListedMs, treeListedMs, marker] satisfies DirectoryRow)
  }
  const { parentId, name, length, etag, modifiedMs, createdMs, blockSizeBytes, storageClass, crc64 } = inode
  const { pinned, replicationMin, replicationMax, ttlMs, ttlAction } = inode
  const head: [1, number, string, number, string, number, number, number, string, string] = [
    1,
    parentId,
    name,
    length,
    etag,
    modifiedMs,
    createdMs,
    blockSizeBytes,
    storageClass,
    crc64,
  ]
  return packr.pack([...head, pinned, replicationMin, replicationMax, ttlMs, ttlAction === 'DELETE'] satisfies FileRow)
}

function decodeInode(id: number, bytes: Buffer): Inode {
  const row: unknown = packr.unpack(bytes)
  assert(Array.isArray(row) && (row[0] === 1 || row[0] === 2), `inode ${id} has an unknown layout`)
  if (row[0] === 2) {
    const [, parentId, name, createdMs, childrenListedMs, treeListedMs, marker] = row as DirectoryRow
    return { kind: 'directory', id, parentId, name, createdMs, childrenListedMs, treeListedMs, marker } satisfies DirectoryInode
  }
  const fields = row as FileRow
  const [, parentId, name, length, etag, modifiedMs, createdMs, blockSizeBytes, storageClass, crc64] = fields
  const [pinned, replicationMin, replicationMax, ttlMs, deletes] = fields.slice(10) as [boolean, number, number, number, boolean]
  const ttlAction = deletes ? 'DELETE' : 'FREE'
  const file = { kind: 'file', id, parentId, name, length, etag, modifiedMs, createdMs, blockSizeBytes, storageClass, crc64 } as const
  return { ...file, pinned, replicationMin, replicationMax, ttlMs, ttlAction } satisfies FileInode
}
