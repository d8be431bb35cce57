// Why: a load is COMPLETED only when the master confirms it, not because of messages from job
// workers. How: the pieces of the sets name the files to check. Reported shortages become repair
// sets for exactly the missing blocks and replicas.
import { blockKey } from '../placing/ranking.ts'
import type { Reopened } from '../state/load-commands.ts'
import { carve, pieceBytes, type FileFailure, type NewSet, type Piece } from '../load.ts'
import type { Placement } from '../placing/placement.ts'
import { blocksOf, type PlannerOptions } from './planner.ts'
import { SetBatches } from './set-batches.ts'

/** A file that the audit must check, and its set. */
export interface AuditSubject {
  readonly set: number
  readonly cached: boolean
  readonly piece: Piece
}
/** A block with too few replicas (wire: BlockShortage). */
export interface Shortage {
  readonly blockIndex: number
  readonly workerIds: readonly string[]
}

export interface RepairPlan {
  readonly sets: NewSet[]
  readonly reopened: Reopened[]
  readonly failed: FileFailure[]
}

/**
 * Plans repairs for the shortages of some files and reserves room for them. Gives up files that do
 * not fit.
 */
export function planRepairs(
  shortages: readonly { readonly subject: AuditSubject; readonly shortages: readonly Shortage[] }[],
  options: Pick<PlannerOptions, 'replication' | 'batchFiles' | 'batchBytes' | 'wish'>,
  placement: Placement,
): RepairPlan {
  const batches = new SetBatches(options, 1)
  const reopened: Reopened[] = []
  const failed: FileFailure[] = []
  for (const { subject, shortages: lacking } of shortages) {
    const { piece, cached } = subject
    const lackOf = new Map(lacking.map((shortage) => [shortage.blockIndex, shortage.workerIds]))
    const whole = { ...piece, firstBlock: 0, blockCount: Math.ceil(piece.length / piece.blockSizeBytes), lead: false }
    const runs: { piece: Piece; targets: string[]; elsewhere: readonly string[] }[] = []
    let bytes = 0
    let fits = true
    for (const block of blocksOf(whole)) {
      const has = lackOf.get(block.index)
      if (has === undefined) continue
      bytes += block.bytes
      const wanted = (piece.replication ?? options.replication) - has.length
      const targets = placement.place(blockKey(piece.fileId, block.index), block.bytes, wanted, has, options.wish)
      fits &&= targets.length >= wanted
      placement.reserve(targets, block.bytes)
      for (const part of carve(whole, (index) => index === block.index))
        runs.push({ piece: part, targets, elsewhere: has })
    }
    if (runs.length === 0) continue
    reopened.push({ fileId: piece.fileId, cached, bytes: fits ? bytes : 0 })
    if (fits) {
      for (const run of runs) batches.add(run)
    } else {
      for (const run of runs) placement.release(run.targets, pieceBytes(run.piece))
      failed.push(
        shortageFailure(piece, lacking, options.replication, 'resource_exhausted', 'no worker has room for it'),
      )
    }
  }
  return { sets: batches.finish(), reopened, failed }
}

/** The failure of an incomplete file that is given up. */
export function shortageFailure(
  piece: Piece,
  lacking: readonly Shortage[],
  replication: number,
  code: string,
  why: string,
): FileFailure {
  const first = lacking[0]
  const replicas = first?.workerIds.length ?? 0
  const reason = `block ${first?.blockIndex ?? 0} has ${replicas} of ${replication} replicas: ${why}`
  return { fileId: piece.fileId, key: piece.key, length: piece.length, code, reason, attempts: 0, workerId: '' }
}
