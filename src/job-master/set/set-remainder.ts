// Why: what another load has brought in is not read again; and after a restart, or the loss of a
// job worker, a set goes out again although most of its blocks may be there. How: the master, who
// hears of every block that a worker commits, is asked who has which; what came in a moment ago is
// added. Whoever cannot be asked leaves the set as it is, because reading twice is a cost and not a
// fault.
import { carve, type LoadOptions, type Piece, type SetRecord } from '../../load/load.ts'
import type { JobMasterContext } from '../job-master-context.ts'

type RemainderContext = Pick<JobMasterContext, 'master' | 'cluster' | 'shared' | 'clock'>

const waitMs = 200
/** How long a master that has just started is waited for to hear of its workers' blocks. */
const patienceMs = 10_000
const callMs = 5000
/**
 * More than any block has: the answer names the holders of all blocks, but of files that may have
 * no more replicas.
 */
const manyReplicas = 100_000

/** Blocks that are still to be written, all with the same holders. */
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

  /** The set's blocks that are missing on a target, and have fewer replicas than the load wants. */
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

  /** A master in safe mode has not heard of all blocks yet. */
  async #untilSettled(signal: AbortSignal): Promise<void> {
    const { master, clock } = this.#context
    const until = clock.monotonicMs() + patienceMs
    while ((await master.getClusterSummary({}, { signal, deadlineMs: callMs })).safeMode && clock.monotonicMs() < until)
      await clock.sleep(waitMs, signal)
  }
}
