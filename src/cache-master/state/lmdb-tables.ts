// Why: the namespace's tables as rows of bytes. How: MessagePack arrays, edges keyed so that LMDB's
// order is the order of the names, over the state that journal/ keeps; commands are applied in its
// transactions.
import { Packr } from 'msgpackr'
import { assert } from '../../base/assert.ts'
import { SkeinError } from '../../base/errors.ts'
import type { Applied, CommandState } from '../../journal/command-state.ts'
import type { LmdbState } from '../../journal/state/lmdb-state.ts'
import type { StateTable, Uncopied } from '../../journal/state-table.ts'
import { apply } from '../../meta/apply/apply-meta.ts'
import type { Command, Effect, Outcome } from '../../meta/commands/commands.ts'
import {
  pendingParentId,
  type CounterName,
  type Edge,
  type Inode,
  type NamespaceRecord,
} from '../../meta/meta-tables.ts'
import type { StagingRecord, Tables } from '../../meta/meta-tables.ts'
import { decodeInode, encodeInode } from './inode-rows.ts'

/** The outcome of a command that held. */
export type Accepted = Exclude<Outcome, { readonly refused: object }>

const packr = new Packr({ useRecords: false })

export class LmdbTables implements Tables, CommandState<Command, Accepted, Effect> {
  readonly #state: LmdbState
  readonly #namespaceRows: StateTable<string, Buffer>
  readonly #inodes: StateTable<number, Buffer>
  readonly #edges: StateTable<Buffer, number>
  readonly #decommissioningRows: StateTable<string, Buffer>
  readonly #expectedWorkerRows: StateTable<string, Buffer>
  readonly #stagingRows: StateTable<string, Buffer>
  /** Few, and asked for at every call. */
  readonly #namespaces = new Map<string, NamespaceRecord>()
  readonly #counters = new Map<CounterName, number>()
  readonly #decommissioning = new Set<string>()
  readonly #expectedWorkers = new Set<string>()
  readonly #stagings = new Map<string, StagingRecord>()

  /** The caller closes the state. */
  constructor(state: LmdbState) {
    this.#state = state
    this.#namespaceRows = state.bytesTable('namespaces')
    this.#inodes = state.bytesTable('inodes')
    this.#edges = state.numbersTable('edges')
    this.#decommissioningRows = state.bytesTable('decommissioning')
    this.#expectedWorkerRows = state.bytesTable('expected-workers')
    this.#stagingRows = state.bytesTable('stagings')
    this.#load()
  }

  get lastApplied(): bigint {
    return this.#state.lastApplied
  }

  get uncopied(): Uncopied {
    return this.#state.uncopied
  }

  sizeBytes(): number {
    return this.#state.sizeBytes()
  }

  snapshot(): Promise<bigint> {
    return this.#state.snapshot()
  }

  apply(commands: readonly Command[], lastApplied: bigint, bytes: number): Applied<Accepted, Effect>[] {
    return this.transact(lastApplied, () => commands.map((command) => this.#apply(command)), bytes)
  }

  /**
   * Runs `change` as one transaction that ends with `lastApplied`. When it throws, nothing of it
   * has happened.
   */
  transact<Result>(lastApplied: bigint, change: () => Result, commandBytes = 0): Result {
    const changeAndCount = (): Result => {
      const made = change()
      for (const [name, value] of this.#counters) this.#state.putNumber(name, value)
      return made
    }
    try {
      return this.#state.transact(lastApplied, changeAndCount, commandBytes)
    } catch (error) {
      this.#load()
      throw error
    }
  }

  namespaces(): Iterable<NamespaceRecord> {
    return this.#namespaces.values()
  }

  putNamespace(record: NamespaceRecord): void {
    this.#namespaceRows.put(record.id, packr.pack(record))
    this.#namespaces.set(record.id, record)
  }

  removeNamespace(id: string): void {
    this.#namespaceRows.delete(id)
    this.#namespaces.delete(id)
  }

  inode(id: number): Inode | undefined {
    const bytes = this.#inodes.get(id)
    return bytes === undefined ? undefined : decodeInode(id, bytes)
  }

  putInode(inode: Inode): void {
    this.#inodes.put(inode.id, encodeInode(inode))
  }

  removeInode(id: number): void {
    this.#inodes.delete(id)
  }

  edge(parentId: number, name: string): number | undefined {
    const key = edgeKey(parentId, name)
    return key.length > edgeKeyBytesMax ? undefined : this.#edges.get(key)
  }

  putEdge(parentId: number, name: string, inodeId: number): void {
    this.#edges.put(edgeKey(parentId, name), inodeId)
  }

  removeEdge(parentId: number, name: string): void {
    this.#edges.delete(edgeKey(parentId, name))
  }

  *edges(parentId: number, from: string): Generator<Edge> {
    // No name is longer than a key, so none lies between a longer one and its beginning.
    const start = edgeKey(parentId, from).subarray(0, edgeKeyBytesMax)
    for (const { key, value } of this.#edges.range({ start, end: edgeKey(parentId + 1, '') })) {
      yield { name: key.toString('utf8', edgeKeyHead), inodeId: value }
    }
  }

  decommissioning(): ReadonlySet<string> {
    return this.#decommissioning
  }

  putDecommissioning(workerId: string, decommissioning: boolean): void {
    putMember(this.#decommissioning, this.#decommissioningRows, workerId, decommissioning)
  }

  expectedWorkers(): ReadonlySet<string> {
    return this.#expectedWorkers
  }

  putExpectedWorker(workerId: string, expected: boolean): void {
    putMember(this.#expectedWorkers, this.#expectedWorkerRows, workerId, expected)
  }

  stagings(): Iterable<StagingRecord> {
    return this.#stagings.values()
  }

  staging(id: string): StagingRecord | undefined {
    return this.#stagings.get(id)
  }

  putStaging(record: StagingRecord): void {
    this.#stagings.set(record.id, record)
    this.#stagingRows.put(record.addedId.toString(), packr.pack(record))
  }

  removeStaging(id: string): void {
    const known = this.#stagings.get(id)
    if (known === undefined) return
    this.#stagings.delete(id)
    this.#stagingRows.delete(known.addedId.toString())
  }

  counter(name: CounterName): number {
    return this.#counters.get(name) ?? 0
  }

  putCounter(name: CounterName, value: number): void {
    this.#counters.set(name, value)
  }

  #apply(command: Command): Applied<Accepted, Effect> {
    const { outcome, effects } = apply(this, command)
    if (outcome.refused !== undefined) return { refused: new SkeinError(outcome.refused.code, outcome.refused.message) }
    return { result: outcome, effects }
  }

  #load(): void {
    this.#namespaces.clear()
    for (const { key, value } of this.#namespaceRows.range({})) {
      const record: unknown = packr.unpack(value)
      assert(typeof record === 'object' && record !== null, `namespace row ${key}`)
      this.#namespaces.set(key, record as NamespaceRecord)
    }
    this.#decommissioning.clear()
    for (const { key } of this.#decommissioningRows.range({})) this.#decommissioning.add(key)
    this.#expectedWorkers.clear()
    for (const { key } of this.#expectedWorkerRows.range({})) this.#expectedWorkers.add(key)
    this.#stagings.clear()
    for (const { key, value } of this.#stagingRows.range({})) {
      const record: unknown = packr.unpack(value)
      assert(typeof record === 'object' && record !== null && 'id' in record, `staging row ${key}`)
      this.#stagings.set(String(record.id), record as StagingRecord)
    }
    for (const name of ['containers', 'files', 'directories'] as const)
      this.#counters.set(name, this.#state.number(name) ?? 0)
    // A state of an older version has not counted them.
    const pending =
      this.#state.number('pending') ?? Iterator.from(this.edges(pendingParentId, '')).reduce((sum) => sum + 1, 0)
    this.#counters.set('pending', pending)
  }
}

/** Adds or takes a member, in the table and in what is kept of it in memory. */
function putMember(members: Set<string>, rows: StateTable<string, Buffer>, member: string, isMember: boolean): void {
  if (isMember) {
    rows.put(member, Buffer.of(1))
    members.add(member)
  } else {
    rows.delete(member)
    members.delete(member)
  }
}

/** Of the parent's id. */
export const edgeKeyHead = 8
/** LMDB's limit. What is written is below it (meta/commands/meta-command-checks.ts). */
const edgeKeyBytesMax = 1978

/**
 * Parent id as 8 bytes, big end first, then the name in UTF-8: so LMDB's order is the order of the
 * names.
 */
export function edgeKey(parentId: number, name: string): Buffer {
  const key = Buffer.allocUnsafe(edgeKeyHead + Buffer.byteLength(name))
  key.writeUInt32BE(Math.floor(parentId / 2 ** 32), 0)
  key.writeUInt32BE(parentId % 2 ** 32, 4)
  key.write(name, edgeKeyHead, 'utf8')
  return key
}
