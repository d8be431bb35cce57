// Why: workers keep blocks, people want files. How: blocks of one cluster, namespace, key and
// version (file id) in the order of their offsets, one of each where several workers have it. A gap
// in the middle is seen; what is missing at the end is not, because no block says how long its file
// is. Pure.
import { fileIdOfBlock } from '../../base/block-id.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'

export interface PlacedBlock {
  readonly rpcAddress: string
  /** Empty: this one. */
  readonly clusterId: string
  readonly header: BlockHeader
}

export interface KeptFile {
  readonly clusterId: string
  readonly namespaceId: string
  /** Undefined: there is none of this id. */
  readonly namespace: string | undefined
  readonly key: string
  /** Of what is there. */
  readonly length: number
  readonly blocks: readonly PlacedBlock[]
  /** Further replicas. */
  readonly copies: readonly PlacedBlock[]
  /** Why it cannot be recovered. */
  readonly problem: string | undefined
}

/** By namespace and key. @param namespaces id -> name */
export function filesOfBlocks(blocks: readonly PlacedBlock[], namespaces: ReadonlyMap<string, string>): KeptFile[] {
  const groups = new Map<string, PlacedBlock[]>()
  for (const block of blocks) {
    const { namespaceId, key, blockId } = block.header
    const name = JSON.stringify([block.clusterId, namespaceId, key, fileIdOfBlock(blockId)])
    groups.set(name, [...(groups.get(name) ?? []), block])
  }
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, group]) => fileOf(group, namespaces) ?? [])
}

function fileOf(group: readonly PlacedBlock[], namespaces: ReadonlyMap<string, string>): KeptFile | undefined {
  const sorted = group.toSorted((a, b) => a.header.offset - b.header.offset)
  const [first] = sorted
  if (first === undefined) return undefined
  const blocks: PlacedBlock[] = []
  const copies: PlacedBlock[] = []
  let length = 0
  let problem: string | undefined
  for (const block of sorted) {
    if (blocks.at(-1)?.header.blockId === block.header.blockId) {
      copies.push(block)
      continue
    }
    if (block.header.offset !== length)
      problem ??= `bytes from ${length} to ${block.header.offset} are on no live worker`
    blocks.push(block)
    length = block.header.offset + block.header.length
  }
  const { namespaceId, key } = first.header
  return {
    clusterId: first.clusterId,
    namespaceId,
    namespace: namespaces.get(namespaceId),
    key,
    length,
    blocks,
    copies,
    problem,
  }
}
