// Why: the state machine under test needs tables without a disk. How: Maps, with the order of LMDB
// (UTF-8 bytes).
import { compareKeys } from '../../../../src/meta/edge-order.ts'
import type {
  CounterName,
  Edge,
  Inode,
  NamespaceRecord,
  StagingRecord,
  Tables,
} from '../../../../src/meta/meta-tables.ts'

export class MemoryTables implements Tables {
  readonly namespaceMap = new Map<string, NamespaceRecord>()
  readonly inodes = new Map<number, Inode>()
  readonly edgeMap = new Map<number, Map<string, number>>()
  readonly counters = new Map<CounterName, number>()
  readonly decommissioningIds = new Set<string>()
  readonly expectedWorkerIds = new Set<string>()
  readonly stagingMap = new Map<string, StagingRecord>()

  namespaces(): Iterable<NamespaceRecord> {
    return this.namespaceMap.values()
  }
  putNamespace(record: NamespaceRecord): void {
    this.namespaceMap.set(record.id, record)
  }
  removeNamespace(id: string): void {
    this.namespaceMap.delete(id)
  }
  inode(id: number): Inode | undefined {
    return this.inodes.get(id)
  }
  putInode(inode: Inode): void {
    this.inodes.set(inode.id, inode)
  }
  removeInode(id: number): void {
    this.inodes.delete(id)
  }
  edge(parentId: number, name: string): number | undefined {
    return this.edgeMap.get(parentId)?.get(name)
  }
  putEdge(parentId: number, name: string, inodeId: number): void {
    const edges = this.edgeMap.get(parentId) ?? new Map<string, number>()
    edges.set(name, inodeId)
    this.edgeMap.set(parentId, edges)
  }
  removeEdge(parentId: number, name: string): void {
    const edges = this.edgeMap.get(parentId)
    edges?.delete(name)
    if (edges?.size === 0) this.edgeMap.delete(parentId)
  }
  edges(parentId: number, from: string): Edge[] {
    return [...(this.edgeMap.get(parentId) ?? [])]
      .map(([name, inodeId]) => ({ name, inodeId }))
      .filter(({ name }) => compareKeys(name, from) >= 0)
      .sort((a, b) => compareKeys(a.name, b.name))
  }
  decommissioning(): ReadonlySet<string> {
    return this.decommissioningIds
  }
  putDecommissioning(workerId: string, decommissioning: boolean): void {
    if (decommissioning) this.decommissioningIds.add(workerId)
    else this.decommissioningIds.delete(workerId)
  }
  expectedWorkers(): ReadonlySet<string> {
    return this.expectedWorkerIds
  }
  putExpectedWorker(workerId: string, expected: boolean): void {
    if (expected) this.expectedWorkerIds.add(workerId)
    else this.expectedWorkerIds.delete(workerId)
  }
  stagings(): Iterable<StagingRecord> {
    return this.stagingMap.values()
  }
  staging(id: string): StagingRecord | undefined {
    return this.stagingMap.get(id)
  }
  putStaging(record: StagingRecord): void {
    this.stagingMap.set(record.id, record)
  }
  removeStaging(id: string): void {
    this.stagingMap.delete(id)
  }
  counter(name: CounterName): number {
    return this.counters.get(name) ?? 0
  }
  putCounter(name: CounterName, value: number): void {
    this.counters.set(name, value)
  }

  /** Everything, in a form that can be compared. */
  snapshot(): unknown {
    return {
      namespaces: [...this.namespaceMap.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      inodes: [...this.inodes.values()].sort((a, b) => a.id - b.id),
      edges: [...this.edgeMap]
        .sort(([a], [b]) => a - b)
        .map(([id, edges]) => [id, [...edges].sort(([a], [b]) => compareKeys(a, b))]),
      decommissioning: [...this.decommissioningIds].sort(compareKeys),
      stagings: Object.fromEntries([...this.stagingMap].sort(([a], [b]) => compareKeys(a, b))),
      expectedWorkers: [...this.expectedWorkerIds].sort(compareKeys),
      counters: Object.fromEntries(
        [...this.counters].filter(([, value]) => value !== 0).sort(([a], [b]) => compareKeys(a, b)),
      ),
    }
  }
}
