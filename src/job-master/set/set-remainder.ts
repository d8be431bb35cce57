// Why: blocks that another load has loaded are not read again. After a restart, or the loss of a
// job worker, a set is dispatched again although most of its blocks may be cached. How: the master,
// which learns of every committed block, is asked which workers have which blocks; recent
// completions are added. If the master does not answer, the whole set is loaded: reading twice
// costs time but is not an error.
import { carve, type LoadOptions, type Piece, type SetRecord } from '../../load/load.ts'
import type { JobMasterContext } from '../job-master-context.ts'

type RemainderContext = Pick<JobMasterContext, 'master' | 'cluster' | 'shared' | 'clock'>

const waitMs = 200
/** How long a restarted master may take to learn the blocks of its workers. */
const patienceMs = 10_000
const callMs = 5000
/**
 * More than any block has, so that the answer lists the holders of all blocks, except of files that
 * may have no more replicas.
 */
const manyReplicas = 100_000

/** Blocks that must still be written and have the same holders. */
export interface Remaining {
  readonly piece: Piece
  readonly holders: readonly string[]
}

export class SetRemainder {
  readonly #context: RemainderContext
  #settled: Promise<void> | undefined

  constructor(context: RemainderContext) {
    this.#context = context
  }

  /** The blocks of the set that a target lacks and that have fewer replicas than the load wants. */
  async of(
    record: Pick<SetRecord, 'pieces' | 'targets' | 'elsewhere'>,
    { hosts }: Pick<LoadOptions, 'hosts'>,
    signal: AbortSignal,
  ): Promise<readonly Remaining[]> {
    const { master, cluster, shared } = this.#context
    const { targets, elsewhere = [] } = record
    const wanted = targets.length + elsewhere.length
    try {
      await (this.#settled ??= this.#untilSettled(signal))
      const fileIds = [...new Set(record.pieces.map((piece) => piece.fileId))]
      const { files } = await master.auditFiles({ fileIds, replication: manyReplicas }, { signal, deadlineMs: callMs })
      const known = new Map(files.map((file) => [file.fileId, file]))
      return record.pieces.flatMap((piece) => {
        const file = known.get(piece.fileId)
        if (file?.gone === true) return [{ piece, holders: [] }]
        const remaining = new Map<string, { holders: readonly string[]; indexes: Set<number> }>()
        for (const { blockIndex, workerIds } of file?.shortages ?? []) {
          const holders = [...new Set([...workerIds, ...shared.holdersOf(piece.fileId, blockIndex)])].toSorted()
          const counted = holders.filter((workerId) => cluster.placement.holdsFor(workerId, hosts))
          if (counted.length >= wanted || targets.every((target) => holders.includes(target))) continue
          const name = holders.join(' ')
          const same = remaining.get(name) ?? { holders, indexes: new Set() }
          remaining.set(name, same)
          same.indexes.add(blockIndex)
        }
        return [...remaining.values()].flatMap(({ holders, indexes }) =>
          carve(piece, (index) => indexes.has(index)).map((part) => ({ piece: part, holders })),
        )
      })
    } catch {
      this.#settled = undefined
      return record.pieces.map((piece) => ({ piece, holders: elsewhere }))
    }
  }

  /** A master in safe mode does not know all blocks yet. */
  async #untilSettled(signal: AbortSignal): Promise<void> {
    const { master, clock } = this.#context
    const until = clock.monotonicMs() + patienceMs
    while ((await master.getClusterSummary({}, { signal, deadlineMs: callMs })).safeMode && clock.monotonicMs() < until)
      await clock.sleep(waitMs, signal)
  }
}
