// Why: a disk that fails must cost its blocks and nothing else: not the worker, not the patience of
// readers and writers, and not a restart when it is well again. How: a BlockDirectory behind this
// class; errors and a look every few seconds go into the state machine of disk-health.ts, and what
// it says is done here.
//
//   lost   the directory is given up: its blocks are reported lost, open writes are aborted,
//          nothing is served from it
//   found  it is opened anew, as at a start; blocks that are wanted are reported again, those that
//          came elsewhere meanwhile go
//   full   the disk is full below the quota: no fault, but for a while, or until something was
//          freed, others are tried first
import { SkeinError } from '../../base/errors.ts'
import { BlockDirectory, type BlockDirectoryOptions } from './block-directory.ts'
import { type BlockEntry, blockNotFound } from '../segment/block-ledger.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  BlockStoreEvents,
  DirectoryState,
  DirectoryUsage,
  KeptBlock,
} from '../block-store.ts'
import { examineDirectory } from '../disk/directory-probe.ts'
import { hasErrno } from '../disk/disk-calls.ts'
import {
  defaultHealthLimits,
  type DiskEvent,
  type DiskHealth,
  type DiskHealthLimits,
  healthyDisk,
  isProbeDue,
  mayRead,
  mayWrite,
  stepDisk,
} from '../disk/disk-health.ts'
import { WatchedReader, WatchedReservation } from './watched-access.ts'

/** How long a disk that was full is passed over. */
const diskFullMs = 10_000

export interface WatchedDirectoryOptions extends BlockDirectoryOptions {
  readonly healthLimits?: Partial<DiskHealthLimits> | undefined
  /**
   * A block is here again: false deletes it, without another word about it. Called without waiting
   * in between.
   */
  readonly found: (block: KeptBlock) => boolean
}

/** From opening the directory to giving it up. */
interface Life {
  readonly directory: BlockDirectory
  over: boolean
}

export class WatchedDirectory implements BlockStore {
  readonly path: string
  readonly #options: WatchedDirectoryOptions
  readonly #limits: DiskHealthLimits
  /** Blocks that were found and are not wanted. */
  readonly #unwanted: Set<number>
  #health: DiskHealth
  /** Undefined while the disk is down, and while it is opened anew. */
  #life: Life | undefined
  #fullUntilMs = Number.NEGATIVE_INFINITY
  #givenUp: Promise<void> = Promise.resolve()
  #looking: Promise<void> | undefined
  #cancelLook: () => void = () => undefined
  #closed = false

  private constructor(options: WatchedDirectoryOptions, life: Life, unwanted: Set<number>) {
    this.path = life.directory.path
    this.#life = life
    this.#unwanted = unwanted
    this.#options = options
    this.#limits = { ...defaultHealthLimits, ...options.healthLimits }
    this.#health = healthyDisk(options.deps.clock.monotonicMs())
    this.#lookLater()
  }

  /** @throws what BlockDirectory.open throws: a directory that is ill at the start is refused */
  static async open(options: WatchedDirectoryOptions): Promise<WatchedDirectory> {
    const unwanted = new Set<number>()
    return new WatchedDirectory(options, await openLife(options, unwanted), unwanted)
  }

  get state(): DirectoryState {
    return this.#life === undefined ? 'down' : this.#health.mode
  }

  /** -1: nothing may be written to it. */
  get freeBytes(): number {
    return this.#life !== undefined && mayWrite(this.#health) ? this.#life.directory.freeBytes : -1
  }

  /** The disk took no more a moment ago, and nothing was freed since. */
  get isFull(): boolean {
    return this.#fullUntilMs > 0 && this.#options.deps.clock.monotonicMs() < this.#fullUntilMs
  }

  get blockCount(): number {
    return this.#life?.directory.blockCount ?? 0
  }

  get reservedBytes(): number {
    return this.#life?.directory.reservedBytes ?? 0
  }

  /** What the directory has of a block, whether or not it can be read yet. */
  entry(blockId: number): BlockEntry | undefined {
    return this.#life?.directory.entry(blockId)
  }

  has(blockId: number): boolean {
    return this.#life?.directory.has(blockId) ?? false
  }

  list(): Iterable<KeptBlock> {
    return this.#life?.directory.list() ?? []
  }

  /**
   * A directory that may not be written to has no room beside what is in it; one that is down, none
   * at all.
   */
  usage(): readonly DirectoryUsage[] {
    const { path, tier, mediumType } = { ...this.#options, path: this.path }
    const { state } = this
    const usage = this.#life?.directory.usage()[0] ?? { path, tier, mediumType, quotaBytes: 0, usedBytes: 0 }
    return [{ ...usage, quotaBytes: state === 'normal' ? usage.quotaBytes : usage.usedBytes, state }]
  }

  async reserve(header: BlockHeader): Promise<BlockReservation> {
    const life = this.#writable()
    const reservation = await this.#noting(life, life.directory.reserve(header))
    return new WatchedReservation(reservation, (operation) => this.#noting(life, operation))
  }

  put(header: BlockHeader, bytes: Uint8Array): Promise<void> {
    if (this.#life === undefined || !mayWrite(this.#health)) return Promise.reject(outOfOrder(this.path))
    return this.#noting(this.#life, this.#life.directory.put(header, bytes))
  }

  async open(blockId: number): Promise<BlockReader> {
    const life = this.#life
    if (life === undefined) throw blockNotFound(blockId)
    const reader = await this.#noting(life, life.directory.open(blockId))
    return new WatchedReader(reader, (operation) => this.#noting(life, operation))
  }

  async free(blockId: number): Promise<boolean> {
    const life = this.#life
    if (life === undefined || !life.directory.has(blockId)) return false
    try {
      const freed = await life.directory.free(blockId)
      this.#fullUntilMs = Number.NEGATIVE_INFINITY
      return freed
    } catch (thrown) {
      if (life.over) return false
      throw thrown
    }
  }

  async release(blockId: number): Promise<void> {
    await this.#life?.directory.release(blockId)
  }

  /** As BlockDirectory's. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelLook()
    await this.#looking
    await this.#givenUp
    await this.#life?.directory.close()
  }

  #writable(): Life {
    if (this.#life === undefined || !mayWrite(this.#health)) throw outOfOrder(this.path)
    return this.#life
  }

  /** Passes an operation's outcome on, after learning from its error. */
  async #noting<T>(life: Life, operation: Promise<T>): Promise<T> {
    try {
      return await operation
    } catch (thrown) {
      throw this.#learn(life, thrown)
    }
  }

  /**
   * @returns what the caller is told: a directory that cannot be used is a fault of its disk, so
   *   that others are tried
   */
  #learn(life: Life, thrown: unknown): unknown {
    if (!(thrown instanceof SkeinError)) return thrown
    const { reason } = thrown
    if (life.over) return reason === 'stopping' && !this.#closed ? outOfOrder(this.path) : thrown
    if (reason === 'disk_full') {
      this.#fullUntilMs = this.#options.deps.clock.monotonicMs() + diskFullMs
      return thrown
    }
    const unusable = reason === 'disk_not_writable' || reason === 'not_a_directory'
    // Too many open files is no fault of a disk.
    if (reason === 'disk_fault' && !hasErrno(thrown.cause, 'EMFILE', 'ENFILE', 'ENOMEM'))
      this.#step({ kind: 'fault', atMs: this.#nowMs() })
    if (unusable || reason === 'disk_fault' || reason === 'block_missing') this.#look()
    return unusable ? new SkeinError('unavailable', thrown.message, { reason: 'disk_fault', cause: thrown }) : thrown
  }

  #nowMs(): number {
    return this.#options.deps.clock.monotonicMs()
  }

  #lookLater(): void {
    this.#cancelLook = this.#options.deps.clock.schedule(this.#limits.probeIntervalMs, () => this.#look())
  }

  #look(): void {
    if (this.#closed || this.#looking !== undefined) return
    this.#cancelLook()
    this.#looking = this.#examine().finally(() => {
      this.#looking = undefined
      if (!this.#closed) this.#lookLater()
    })
  }

  async #examine(): Promise<void> {
    const { mode } = this.#health
    if (mode !== 'normal' && !isProbeDue(this.#health, this.#nowMs())) return
    const finding = await examineDirectory(this.path, this.#options.workerId, mode !== 'normal')
    if (this.#closed || finding === 'unknown' || this.#health.mode !== mode) return
    const atMs = this.#nowMs()
    if (finding === 'gone' && mode !== 'down') this.#step({ kind: 'gone', atMs })
    else if (mode !== 'normal') this.#step({ kind: 'probed', good: finding === 'well', atMs })
    else if (finding === 'ill') this.#step({ kind: 'fault', atMs })
    if (mayRead(this.#health) && this.#life === undefined) await this.#openAnew()
  }

  #step(event: DiskEvent): void {
    const { logger } = this.#options.deps
    const before = this.#health.mode
    const { health, effect } = stepDisk(this.#health, event, this.#limits)
    this.#health = health
    if (health.mode !== before)
      logger.warn('a block directory changed its state', { path: this.path, from: before, to: health.mode })
    if (effect === 'lost') this.#giveUp()
  }

  #giveUp(): void {
    const life = this.#life
    if (life === undefined) return
    const lost = [...life.directory.list()]
    life.over = true
    this.#life = undefined
    this.#options.deps.logger.warn('the blocks of a directory are lost until its disk is well again', {
      path: this.path,
      blocks: lost.length,
    })
    for (const { blockId } of lost) this.#options.deps.events.removed(blockId, 'lost')
    this.#givenUp = life.directory.close().catch((thrown: unknown) => {
      this.#options.deps.logger.debug('a directory that failed could not be closed in order', {
        path: this.path,
        error: thrown,
      })
    })
  }

  async #openAnew(): Promise<void> {
    await this.#givenUp
    try {
      this.#life = await openLife({ ...this.#options, path: this.path }, this.#unwanted)
    } catch (thrown) {
      this.#options.deps.logger.warn('a block directory could not be taken back', { path: this.path, error: thrown })
      this.#step({ kind: 'gone', atMs: this.#nowMs() })
      return
    }
    await this.#sortOut(this.#life)
  }

  async #sortOut({ directory }: Life): Promise<void> {
    const going: Promise<boolean>[] = []
    let blocks = 0
    for (const header of [...directory.list()]) {
      if (this.#options.found(header)) blocks += 1
      else {
        this.#unwanted.add(header.blockId)
        going.push(directory.free(header.blockId))
      }
    }
    this.#options.deps.logger.info('a block directory is back', { path: this.path, blocks, unwanted: going.length })
    await Promise.allSettled(going)
  }
}

/** What a life that is over still does is nobody's business. */
async function openLife(options: WatchedDirectoryOptions, unwanted: Set<number>): Promise<Life> {
  let life: Life | undefined
  const events: BlockStoreEvents = {
    added: (header) => {
      if (life?.over === false) options.deps.events.added(header)
    },
    removed: (blockId, why) => {
      if (life?.over === false && !unwanted.delete(blockId)) options.deps.events.removed(blockId, why)
    },
  }
  const directory = await BlockDirectory.open({ ...options, deps: { ...options.deps, events } })
  return (life = { directory, over: false })
}

/** Of a directory that may not be written to. */
export function outOfOrder(path: string): SkeinError {
  return new SkeinError('unavailable', `block directory ${path} is unavailable; see the log of the worker`, {
    reason: 'disk_fault',
  })
}
