// Why: after a restart, or the loss of a job worker, a set goes out again although most of its blocks may be there, and each
// would be read a second time. How: the master, who hears of every block that a worker commits, is asked which are
// missing; whoever cannot be asked leaves the set as it is, because reading twice is a cost and not a fault.
import type { Clock } from '../base/clock.ts'
import { carve, type Piece, type SetRecord } from '../load/load.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'

export interface RemainderDependencies {
  readonly master: Pick<Service<MasterServiceDefinition>, 'auditFiles' | 'getClusterSummary'>
  readonly clock: Clock
}

const waitMs = 200
/** How long a master that has just started is waited for to hear of its workers' blocks. */
const patienceMs = 10_000
const callMs = 5000

export class SetRemainder {
  readonly #deps: RemainderDependencies
  #settled: Promise<void> | undefined

  constructor(deps: RemainderDependencies) {
    this.#deps = deps
  }

  /** The set's blocks that are missing on a target. */
  async of(record: Pick<SetRecord, 'pieces' | 'targets' | 'elsewhere'>, signal: AbortSignal): Promise<readonly Piece[]> {
    try {
      await (this.#settled ??= this.#untilSettled(signal))
      const fileIds = [...new Set(record.pieces.map((piece) => piece.fileId))]
      const replication = record.targets.length + (record.elsewhere?.length ?? 0)
      const { files } = await this.#deps.master.auditFiles({ fileIds, replication }, { signal, deadlineMs: callMs })
      const known = new Map(files.map((file) => [file.fileId, file]))
      return record.pieces.flatMap((piece) => {
        const file = known.get(piece.fileId)
        if (file?.gone === true) return [piece]
        const holders = new Map(file?.shortages.map((shortage) => [shortage.blockIndex, shortage.workerIds]))
        return carve(piece, (index) => {
          const workerIds = holders.get(index)
          return workerIds !== undefined && !record.targets.every((target) => workerIds.includes(target))
        })
      })
    } catch {
      this.#settled = undefined
      return record.pieces
    }
  }

  /** A master in safe mode has not heard of all blocks yet. */
  async #untilSettled(signal: AbortSignal): Promise<void> {
    const { master, clock } = this.#deps
    const until = clock.monotonicMs() + patienceMs
    while ((await master.getClusterSummary({}, { signal, deadlineMs: callMs })).safeMode && clock.monotonicMs() < until)
      await clock.sleep(waitMs, signal)
  }
}
