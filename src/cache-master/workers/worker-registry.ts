// Why: who the workers are, which of them live, and what they hold. In memory: workers register
// again after a restart. How: a registration opens a session; blocks are known under the session's
// ordinal (meta/block-map.ts), so that a lost worker's, or an older session's, locations go in one
// step. What a worker should delete travels in its heartbeats (free-orders.ts).
import { randomUUID } from 'node:crypto'
import { blockIdOf, blockIndexOf, fileIdOfBlock } from '../../base/block-id.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { BlockMap } from '../../meta/block-map.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type {
  DirectoryUsage,
  RegisterWorkerRequest,
  ReportBlocksRequest,
  WorkerHeartbeatRequest,
  WorkerInfo,
} from '../../wire/generated/master.ts'
import { FreeOrders } from './free-orders.ts'
import { listedWorkers, workerInfo } from './worker-info.ts'
import { lostWorkers } from './worker-liveness.ts'

export interface WorkerRegistryDependencies {
  readonly blocks: BlockMap
  /** Blocks of a file by its id; undefined when there is no such file (any more). */
  readonly blockCount: (fileId: number) => number | undefined
  /** Whether there was this file once, and it was deleted. Default: nobody can say. */
  readonly wasDeleted?: (fileId: number) => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly workerLostMs: number
  /** How long this process has stood still, in all: for as long it heard nobody. Default: never. */
  readonly stoodStillMs?: () => number
  /** Default: none is. */
  readonly isDecommissioning?: (workerId: string) => boolean
}

/**
 * What somebody may want to know at once. Called in the middle of changes: note it, and act later.
 */
export interface WorkerEvents {
  blockAdded(blockId: number, workerId: string): void
  blockRemoved(blockId: number, workerId: string): void
  /** Lost, or registered again: what was known under the ordinal is gone. */
  sessionEnded(workerId: string, ordinal: number): void
  workerReported(workerId: string): void
}

/** Blocks are known under one of two ordinals: of those in memory, and of all others. */
interface Session {
  readonly id: string
  readonly ordinal: number
  readonly memoryOrdinal: number
  /** The last delta that was taken in; 0: none that has a number. */
  lastReport: number
}

interface Worker {
  readonly workerId: string
  info: RegisterWorkerRequest
  directories: readonly DirectoryUsage[]
  startedMs: number
  lastHeartbeatMs: number
  heardMonotonicMs: number
  /** Undefined while it is lost. */
  session: Session | undefined
  reported: boolean
  /** Durable blocks of no file that is known or known to be deleted, as the worker last said. */
  keptBlocks: number
  /** Blocks it should delete. */
  readonly toFree: FreeOrders
}

/** Workers that live at once. */
const workersMax = 10_000
/** Lost workers are remembered for the reports of the cluster, the oldest forgotten first. */
const lostWorkersKept = 1000

export class WorkerRegistry {
  readonly #deps: WorkerRegistryDependencies
  readonly #workers = new Map<string, Worker>()
  readonly #memoryOrdinals = new Set<number>()
  #events: WorkerEvents | undefined
  /** What of the standstills the workers have been allowed for. */
  #allowedMs = 0

  constructor(deps: WorkerRegistryDependencies) {
    this.#deps = deps
  }

  /** From now on; one watcher. */
  watch(events: WorkerEvents): void {
    this.#events = events
  }

  /** Whether a live worker has not ended its full report. */
  get anyUnreported(): boolean {
    for (const worker of this.#workers.values()) if (worker.session !== undefined && !worker.reported) return true
    return false
  }

  /** Whether a worker lives and has ended its full report. */
  hasReported(workerId: string): boolean {
    const worker = this.#workers.get(workerId)
    return worker?.session !== undefined && worker.reported
  }

  isDecommissioning(workerId: string): boolean {
    return this.#deps.isDecommissioning?.(workerId) ?? false
  }

  /** Opens a session; what the worker reported before no longer counts. @returns the session */
  register(request: RegisterWorkerRequest): string {
    if (request.workerId === '' || request.hostname === '')
      throw new SkeinError('invalid_argument', 'a worker needs an id and a hostname')
    const { clock, blocks, logger } = this.#deps
    const known = this.#workers.get(request.workerId)
    if (known === undefined && this.#workers.size >= workersMax + lostWorkersKept) {
      this.expire()
      if (this.#workers.size >= workersMax + lostWorkersKept)
        throw new SkeinError('resource_exhausted', `${workersMax} workers are registered already`)
    }
    if (known !== undefined) this.#endSession(known)
    for (const other of this.#workers.values()) {
      // Two processes cannot listen on one address: the one that had it before is gone.
      if (other !== known && request.rpcAddress !== '' && other.info.rpcAddress === request.rpcAddress)
        this.#endSession(other)
    }
    const session = {
      ...{ id: randomUUID(), lastReport: 0 },
      ...{ ordinal: blocks.addWorker(request.workerId), memoryOrdinal: blocks.addWorker(request.workerId) },
    }
    this.#memoryOrdinals.add(session.memoryOrdinal)
    const now = { startedMs: clock.nowMs(), lastHeartbeatMs: clock.nowMs(), heardMonotonicMs: clock.monotonicMs() }
    const changed = { info: request, directories: request.directories, session, reported: false, keptBlocks: 0, ...now }
    if (known === undefined)
      this.#workers.set(request.workerId, { workerId: request.workerId, toFree: new FreeOrders(), ...changed })
    else Object.assign(known, changed)
    logger.info('worker registered', {
      workerId: request.workerId,
      hostname: request.hostname,
      rpc: request.rpcAddress,
    })
    return session.id
  }

  /**
   * Takes in a report. @returns those of `added` that belong to no file: `kept`, whose bytes exist
   * nowhere else and whose file is not known to be deleted, and the others. @throws SkeinError
   * failed_precondition `register_again`
   */
  report(request: ReportBlocksRequest): { readonly unknown: number[]; readonly kept: number[] } {
    const { worker, session } = this.#sessionOf(request)
    const { blocks, blockCount } = this.#deps
    const unknown: number[] = []
    const kept: number[] = []
    const durable = new Set(request.durable?.ids)
    session.lastReport = Math.max(session.lastReport, request.report ?? 0)
    // Who cannot tell is taken to keep all in its first tier.
    const inMemory = request.inMemory === undefined ? undefined : new Set(request.inMemory.ids)
    const isMemoryWorker = worker.directories[0]?.mediumType === 'MEM'
    for (const blockId of request.added) {
      const known = blocks.blockCountOf(blockId)
      const isWithin = known !== undefined && blockIndexOf(blockId) < known
      const count = isWithin ? known : blockCount(fileIdOfBlock(blockId))
      if (count === undefined || blockIndexOf(blockId) >= count) {
        if (durable.has(blockId) && !this.#isDeleted(worker, blockId)) kept.push(blockId)
        else unknown.push(blockId)
        continue
      }
      const isInMemory = inMemory?.has(blockId) ?? isMemoryWorker
      blocks.remove(blockId, isInMemory ? session.ordinal : session.memoryOrdinal)
      blocks.add(blockId, count, isInMemory ? session.memoryOrdinal : session.ordinal)
      worker.toFree.done(blockId)
      this.#events?.blockAdded(blockId, worker.workerId)
    }
    for (const blockId of request.removed) {
      this.#removeFrom(session, blockId)
      worker.toFree.done(blockId)
      this.#events?.blockRemoved(blockId, worker.workerId)
    }
    if (request.directories.length > 0) worker.directories = request.directories
    if (request.fullReportEnd && !worker.reported) {
      worker.reported = true
      this.#deps.logger.info('worker reported its blocks', {
        workerId: worker.workerId,
        blocks: this.#blocksOf(session),
      })
      this.#events?.workerReported(worker.workerId)
    }
    return { unknown, kept }
  }

  /**
   * Numbers of a worker that did not say whose they are may be another cluster's, unless it had
   * none when it joined.
   */
  #isDeleted({ info }: Worker, blockId: number): boolean {
    const isOurs = (info.clusterId ?? '') !== '' || info.blocks === 0
    return isOurs && (this.#deps.wasDeleted?.(fileIdOfBlock(blockId)) ?? false)
  }

  /**
   * Keeps a worker alive. @returns blocks it should delete, and up to which of its reports that was
   * decided
   * @throws SkeinError failed_precondition `register_again`
   */
  heartbeat(request: WorkerHeartbeatRequest): { readonly freeBlocks: number[]; readonly asOfReport: number } {
    const { worker, session } = this.#sessionOf(request)
    worker.directories = request.directories
    worker.keptBlocks = request.counters['worker.blocks.kept'] ?? 0
    worker.lastHeartbeatMs = this.#deps.clock.nowMs()
    worker.heardMonotonicMs = this.#deps.clock.monotonicMs()
    return { freeBlocks: worker.toFree.tell(session.lastReport > 0), asOfReport: session.lastReport }
  }

  /**
   * Ends the sessions of workers that were not heard of for too long. Cheap; called before anything
   * that depends on who lives.
   */
  expire(): void {
    this.#allowForStandstill()
    const heard = [...this.#workers.values()].filter((worker) => worker.session !== undefined)
    for (const worker of lostWorkers(heard, this.#deps.clock.monotonicMs(), this.#deps.workerLostMs)) {
      this.#endSession(worker)
      this.#deps.logger.warn('worker lost', {
        workerId: worker.workerId,
        hostname: worker.info.hostname,
        unheardMs: this.#deps.workerLostMs,
      })
    }
    const lost = [...this.#workers.values()].filter((worker) => worker.session === undefined)
    for (const worker of lost.slice(0, Math.max(0, lost.length - lostWorkersKept)))
      this.#workers.delete(worker.workerId)
  }

  /** Takes a lost worker out of the reports. @returns whether there was one; a live worker stays */
  forget(workerId: string): boolean {
    const worker = this.#workers.get(workerId)
    return worker !== undefined && worker.session === undefined && this.#workers.delete(workerId)
  }

  #allowForStandstill(): void {
    const stoodStillMs = this.#deps.stoodStillMs?.() ?? 0
    if (stoodStillMs === this.#allowedMs) return
    for (const worker of this.#workers.values()) worker.heardMonotonicMs += stoodStillMs - this.#allowedMs
    this.#allowedMs = stoodStillMs
  }

  /**
   * Forgets all replicas of a file and has the workers delete them. @returns how many replicas
   * there were of which block
   */
  dropFile(fileId: number): { readonly index: number; readonly replicas: number }[] {
    const { blocks } = this.#deps
    return blocks.dropFile(fileId).map(({ index, ordinals }) => {
      for (const ordinal of ordinals) this.#workers.get(blocks.workerId(ordinal))?.toFree.add(blockIdOf(fileId, index))
      return { index, replicas: ordinals.length }
    })
  }

  /** Forgets one replica and has its worker delete it. */
  dropReplica(blockId: number, workerId: string): void {
    const worker = this.#workers.get(workerId)
    if (worker?.session === undefined) return
    this.#removeFrom(worker.session, blockId)
    worker.toFree.add(blockId)
  }

  /** The most blocks that any live worker still has to be told to delete. */
  freesWaiting(): number {
    let most = 0
    for (const { session, toFree } of this.#workers.values())
      if (session !== undefined) most = Math.max(most, toFree.size)
    return most
  }

  /** Whether the locations of this ordinal are in a tier of memory. */
  isMemory(ordinal: number): boolean {
    return this.#memoryOrdinals.has(ordinal)
  }

  /** Where a live worker serves blocks. */
  dataAddress(workerId: string): string | undefined {
    const worker = this.#workers.get(workerId)
    return worker?.session === undefined ? undefined : worker.info.dataAddress
  }

  /** Ids of the live workers that hold a block. */
  workerIds(blockId: number): string[] {
    return this.#deps.blocks.locations(blockId).map((ordinal) => this.#deps.blocks.workerId(ordinal))
  }

  /** Live and lost workers, by hostname and id. */
  list(): WorkerInfo[] {
    this.expire()
    return listedWorkers([...this.#workers.values()].map((worker) => this.#infoOf(worker)))
  }

  /** What is known of these workers. */
  infos(workerIds: Iterable<string>): WorkerInfo[] {
    return [...new Set(workerIds)].flatMap((id) => this.#workers.get(id) ?? []).map((worker) => this.#infoOf(worker))
  }

  #sessionOf(request: { readonly workerId: string; readonly session: string }): { worker: Worker; session: Session } {
    this.expire()
    const worker = this.#workers.get(request.workerId)
    if (worker?.session === undefined || worker.session.id !== request.session) {
      const message = `the master does not know this session of worker '${request.workerId}': register again`
      throw new SkeinError('failed_precondition', message, { reason: 'register_again' })
    }
    return { worker, session: worker.session }
  }

  #endSession(worker: Worker): void {
    if (worker.session === undefined) return
    const { ordinal, memoryOrdinal } = worker.session
    worker.session = undefined
    this.#memoryOrdinals.delete(memoryOrdinal)
    for (const ended of [ordinal, memoryOrdinal]) this.#deps.blocks.dropWorker(ended)
    for (const ended of [ordinal, memoryOrdinal]) this.#events?.sessionEnded(worker.workerId, ended)
  }

  #removeFrom({ ordinal, memoryOrdinal }: Session, blockId: number): void {
    this.#deps.blocks.remove(blockId, ordinal)
    this.#deps.blocks.remove(blockId, memoryOrdinal)
  }

  #blocksOf({ ordinal, memoryOrdinal }: Session): number {
    return this.#deps.blocks.blocksOf(ordinal) + this.#deps.blocks.blocksOf(memoryOrdinal)
  }

  #infoOf(worker: Worker): WorkerInfo {
    const { session, toFree } = worker
    const live = session === undefined ? undefined : { blocks: this.#blocksOf(session), blocksLeaving: toFree.size }
    return workerInfo(worker, live, this.isDecommissioning(worker.workerId))
  }
}
