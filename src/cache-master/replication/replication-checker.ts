// Why: files keep as many replicas as they should, whatever workers come, go and drop: what is
// missing is copied from a living replica (never read from the store), what is too much goes. How:
// events name files that may need something; a bounded queue holds them, and a slow pass over all
// files with replicas finds what no event named. What to do about a block is
// meta/replication-policy.ts; the copies are told to their targets with every heartbeat until they
// are reported.
//
// A replica lost less than the grace time ago counts as there: its worker may come back. So does
// everything while a worker has registered and not yet reported, and for the grace time after the
// start.
import { blockOf } from './block-of.ts'
import { blockCount, blockIdOf, blockLength, fileIdOfBlock } from '../../base/block-id.ts'
import type { Clock, Random } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { BlockMap } from '../../meta/block-map.ts'
import {
  planBlock,
  replicasKept,
  type ReplicationSettings,
  type ReplicationWorker,
} from '../../meta/replication-policy.ts'
import type { FileInode, Tables } from '../../meta/meta-tables.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { SummaryLog } from '../../telemetry/summary-log.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { CopyBlock } from '../../wire/generated/master.ts'
import { type ReplicaCopy, ReplicationCopies } from './copies-under-way.ts'
import { ReplicationPass } from './replication-pass.ts'
import { ReplicationQueue } from './replication-queue.ts'
import type { WorkerEvents, WorkerRegistry } from '../workers/worker-registry.ts'

export interface ReplicationOptions {
  /** How long lost replicas are waited for, and replicas above the maximum left alone. */
  readonly graceMs: number
  /** Between the end of a pass over all files and the next one. */
  readonly intervalMs: number
  /** Between two looks at what is due. */
  readonly tickMs: number
  /** Files looked at in one turn of the event loop, and the pause after it while there are more. */
  readonly filesPerTurn: number
  readonly pauseMs: number
  readonly copiesMax: number
  readonly copiesPerWorkerMax: number
  /** A copy that is not reported by then is planned anew, maybe from and to others. */
  readonly copyTimeoutMs: number
  /** Files that wait to be looked at; beyond, a pass over all is made instead. */
  readonly filesWaitingMax: number
}

export const defaultReplicationOptions: ReplicationOptions = {
  graceMs: 15_000,
  intervalMs: 300_000,
  tickMs: 500,
  filesPerTurn: 500,
  pauseMs: 10,
  copiesMax: 1024,
  copiesPerWorkerMax: 32,
  copyTimeoutMs: 120_000,
  filesWaitingMax: 100_000,
}

export interface ReplicationDependencies {
  readonly tables: Tables
  readonly blocks: BlockMap
  readonly workers: WorkerRegistry
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options?: Partial<ReplicationOptions> | undefined
}

const postponedMs = 1000
/** Blocks that one worker may still have to be told to delete before a pass goes on. */
const freesWaitingMax = 20_000

type Snapshot = Map<string, ReplicationWorker>

/** What holds a worker back that is being decommissioned. */
export interface LeavingState {
  /** False: it is not known yet which replicas there are. */
  readonly mayCopy: boolean
  readonly copiesOpen: number
  /**
   * Of the last block that no other worker had room for; 0: the last one that was looked at had.
   */
  readonly unplacedBytes: number
}

export class ReplicationChecker implements WorkerEvents {
  readonly #deps: ReplicationDependencies
  readonly #options: ReplicationOptions
  readonly #queue: ReplicationQueue
  /** Files whose copies no worker could take yet. */
  readonly #postponed: ReplicationQueue
  readonly #copies = new ReplicationCopies()
  readonly #pass: ReplicationPass
  /** Ordinals of ended sessions -> when they ended, for the grace time. */
  readonly #ended = new Map<number, number>()
  readonly #startedMs: number
  readonly #summary: SummaryLog<'copiesBegun' | 'copiesMade' | 'copiesFailed' | 'replicasDropped' | 'replicasUnplaced'>
  /**
   * Workers that are being decommissioned -> bytes of the last block of theirs that no other worker
   * had room for.
   */
  readonly #unplaced = new Map<string, number>()

  constructor(deps: ReplicationDependencies) {
    this.#deps = deps
    this.#options = { ...defaultReplicationOptions, ...deps.options }
    const { filesWaitingMax, graceMs, intervalMs } = this.#options
    this.#queue = new ReplicationQueue({ filesMax: filesWaitingMax, delayMs: graceMs })
    this.#postponed = new ReplicationQueue({ filesMax: filesWaitingMax, delayMs: postponedMs })
    this.#startedMs = deps.clock.monotonicMs()
    this.#summary = new SummaryLog({ ...deps, message: 'replicas were repaired' })
    this.#pass = new ReplicationPass(deps.blocks, { intervalMs, firstMs: this.#startedMs + graceMs })
    deps.metrics.observe('skein_master_replication_copies_in_flight', () => this.#copies.open)
    deps.metrics.observe('skein_master_replication_pending_files', () => this.#queue.size + this.#postponed.size)
  }

  /** A file's settings changed. */
  changed(fileId: number): void {
    this.#queue.addNow(fileId)
  }

  /** A worker is being taken out of service, or no longer. */
  decommissioningChanged(): void {
    this.#unplaced.clear()
    this.#pass.dueBy(this.#now())
  }

  blockAdded(blockId: number, workerId: string): void {
    if (this.#copies.end(blockId, workerId) !== undefined) {
      this.#deps.metrics.add('skein_master_replication_copies_total', 1, { outcome: 'ok' })
      this.#summary.add({ copiesMade: 1 })
      // The block may be on a worker that waits to be rid of it.
      this.#queue.addNow(fileIdOfBlock(blockId))
      return
    }
    if (this.#deps.workers.isDecommissioning(workerId)) this.#queue.addNow(fileIdOfBlock(blockId))
    const replicas = this.#deps.blocks.locations(blockId).length
    if (replicas === 1) return
    const file = this.#deps.tables.inode(fileIdOfBlock(blockId))
    if (file?.kind === 'file' && file.replicationMax >= 0 && replicas > file.replicationMax)
      this.#queue.addLater(file.id, this.#now())
  }

  blockRemoved(blockId: number): void {
    // Without a replica left there is nothing to copy from.
    if (this.#deps.blocks.locations(blockId).length > 0) this.#queue.addLater(fileIdOfBlock(blockId), this.#now())
  }

  sessionEnded(workerId: string, ordinal: number): void {
    this.#ended.set(ordinal, this.#now())
    for (const { blockId } of this.#copies.to(workerId)) this.#abandon(blockId, workerId)
    this.#pass.dueBy(this.#now() + this.#options.graceMs)
  }

  /** A worker ended its full report: it may have what is too much, or room for what is missing. */
  workerReported(): void {
    this.#pass.dueBy(this.#now() + this.#options.graceMs)
  }

  /** Why blocks of a worker that is being decommissioned are still there. */
  leavingState(workerId: string): LeavingState {
    const unplacedBytes = this.#unplaced.get(workerId) ?? 0
    return { mayCopy: this.#mayCopy(), copiesOpen: this.#copies.openFrom(workerId), unplacedBytes }
  }

  /**
   * The copies that this worker is to make, told with every heartbeat until it reports the blocks.
   */
  copiesFor(workerId: string): CopyBlock[] {
    const { workers } = this.#deps
    const told: CopyBlock[] = []
    for (const { blockId, sourceId, durable } of this.#copies.to(workerId)) {
      const sourceDataAddress = workers.workerIds(blockId).includes(sourceId)
        ? workers.dataAddress(sourceId)
        : undefined
      if (sourceDataAddress === undefined) this.#abandon(blockId, workerId)
      else told.push({ blockId, sourceDataAddress, durable, of: blockOf(this.#deps.tables, blockId) })
    }
    return told
  }

  /** Works until the signal aborts. Does not throw. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    while (!signal.aborted) {
      try {
        const more = this.step()
        await clock.sleep(more ? this.#options.pauseMs : this.#options.tickMs, signal)
      } catch (thrown) {
        if (signal.aborted) return
        logger.error('the replication check failed; retrying', { error: toSkeinError(thrown) })
        await clock.sleep(this.#options.tickMs, signal).catch(() => undefined)
      }
    }
  }

  /** One turn: at most `filesPerTurn` files. @returns whether there is more to do at once */
  step(): boolean {
    const now = this.#now()
    const { filesPerTurn, graceMs } = this.#options
    this.#deps.workers.expire()
    for (const [ordinal, endedMs] of this.#ended) if (now - endedMs >= graceMs) this.#ended.delete(ordinal)
    for (const { blockId } of this.#copies.takeOverdue(now)) {
      this.#deps.metrics.add('skein_master_replication_copies_total', 1, { outcome: 'error' })
      this.#summary.add({ copiesFailed: 1 })
      this.#queue.addNow(fileIdOfBlock(blockId))
    }
    if (this.#queue.takeOverflow() || this.#postponed.takeOverflow()) this.#pass.dueBy(now)
    const snapshot = this.#snapshot()
    const due = this.#queue.take(filesPerTurn, now)
    if (this.#copies.open < this.#options.copiesMax) due.push(...this.#postponed.take(filesPerTurn - due.length, now))
    if (due.length < filesPerTurn && this.#mayPass()) due.push(...this.#pass.take(filesPerTurn - due.length, now))
    for (const fileId of due) this.#check(fileId, snapshot)
    return due.length === filesPerTurn
  }

  /** Whether a pass may go on; else it would only pile up what cannot be done now. */
  #mayPass(): boolean {
    const { copiesMax, filesWaitingMax } = this.#options
    return (
      this.#copies.open < copiesMax &&
      this.#postponed.size < filesWaitingMax / 2 &&
      this.#deps.workers.freesWaiting() < freesWaitingMax
    )
  }

  #check(fileId: number, snapshot: Snapshot): void {
    const { tables, blocks, workers, random, metrics } = this.#deps
    const file = tables.inode(fileId)
    if (file?.kind !== 'file' || !blocks.hasFile(fileId)) return
    const settings = settingsOf(file)
    const mayCopy = this.#mayCopy()
    let postponed = false
    for (let index = 0; index < blockCount(file.length, file.blockSizeBytes); index += 1) {
      const blockId = blockIdOf(fileId, index)
      const workerIds = workers.workerIds(blockId)
      if (workerIds.length === 0) continue
      const bytes = blockLength(file.length, file.blockSizeBytes, index)
      const awaited = this.#awaited(blockId)
      const plan = planBlock(
        settings,
        { bytes, workerIds, pendingIds: this.#copies.targetsOf(blockId), awaited },
        snapshot,
        random,
      )
      for (const workerId of plan.drops) {
        if (!this.#dropSafely(blockId, workerId, replicasKept(settings))) continue
        metrics.add('skein_master_replication_dropped_replicas_total', 1)
        this.#summary.add({ replicasDropped: 1 })
      }
      if (plan.copies.length + plan.postponed > 0 && !mayCopy) postponed = true
      if (plan.postponed > 0) postponed = true
      if (plan.unplaced > 0) {
        metrics.add('skein_master_replication_unplaced_replicas_total', plan.unplaced)
        this.#summary.add({ replicasUnplaced: plan.unplaced })
        for (const id of workerIds) if (workers.isDecommissioning(id)) this.#unplaced.set(id, bytes)
      }
      for (const { sourceId, targetId } of mayCopy ? plan.copies : []) {
        if (this.#copies.open >= this.#options.copiesMax) postponed = true
        else this.#begin({ blockId, sourceId, targetId, bytes, durable: !settings.persisted }, snapshot)
      }
    }
    if (postponed) this.#postponed.addLater(fileId, this.#now())
  }

  /** The plan is made from the same block map, but the last word on a replica that goes is here. */
  #dropSafely(blockId: number, workerId: string, kept: number): boolean {
    const { workers } = this.#deps
    if (workers.workerIds(blockId).length <= kept) return false
    workers.dropReplica(blockId, workerId)
    return true
  }

  #begin(copy: Omit<ReplicaCopy, 'giveUpMonotonicMs'>, snapshot: Snapshot): void {
    const { copyTimeoutMs, copiesPerWorkerMax } = this.#options
    this.#copies.add({ ...copy, giveUpMonotonicMs: this.#now() + copyTimeoutMs })
    this.#unplaced.delete(copy.sourceId)
    this.#summary.add({ copiesBegun: 1 })
    const target = snapshot.get(copy.targetId)
    if (target === undefined) return
    const hasSlot = this.#copies.openTo(copy.targetId) < copiesPerWorkerMax
    snapshot.set(copy.targetId, { ...target, freeBytes: target.freeBytes - copy.bytes, hasSlot })
  }

  #abandon(blockId: number, workerId: string): void {
    if (this.#copies.end(blockId, workerId) !== undefined) this.#queue.addNow(fileIdOfBlock(blockId))
  }

  #mayCopy(): boolean {
    return this.#now() - this.#startedMs >= this.#options.graceMs && !this.#deps.workers.anyUnreported
  }

  #awaited(blockId: number): number {
    return this.#ended.size === 0
      ? 0
      : this.#deps.blocks.gone(blockId).filter((ordinal) => this.#ended.has(ordinal)).length
  }

  #snapshot(): Snapshot {
    const snapshot: Snapshot = new Map()
    for (const { workerId, hostname, live, capacityBytes, usedBytes, decommissioning } of this.#deps.workers.list()) {
      if (!live) continue
      snapshot.set(workerId, {
        workerId,
        hostname,
        capacityBytes,
        freeBytes: Math.max(0, capacityBytes - usedBytes - this.#copies.bytesTo(workerId)),
        decommissioning: decommissioning ?? false,
        hasSlot: this.#copies.openTo(workerId) < this.#options.copiesPerWorkerMax,
      })
    }
    return snapshot
  }

  #now(): number {
    return this.#deps.clock.monotonicMs()
  }
}

function settingsOf(file: FileInode): ReplicationSettings {
  return { min: file.replicationMin, max: file.replicationMax, pinned: file.pinned, persisted: file.persisted }
}
