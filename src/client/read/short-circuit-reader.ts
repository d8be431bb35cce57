// Why: a reader on the same host as a worker does not need a socket for large blocks: it reads the
// block file itself (short circuit). How: the worker returns the place of the block and counts this
// as a read. The reader opens the file, checks that its header belongs to the block
// (block/directory/located-block.ts), and verifies the checksum of each page. The file stays open
// for the next reads (opened-blocks.ts). After any error, from an unknown call to a corrupt page,
// the rest is read over the data port: the worker then checks the same bytes, and drops and reports
// a corrupt block. The first small parts of a block use the data port, because asking for their
// place would cost as much.
//
// If a worker does not answer, or if its files repeatedly cannot be opened (they belong to another
// user, or to another machine of the same name), the reader uses only its data port for a while.
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { wrongBlock } from '../../base/expected-block.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { isBlockPlace } from '../../block/disk/known-place.ts'
import type { PageReader } from '../../block/disk/page-reader.ts'
import { openLocated } from '../../block/directory/located-block.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ServiceClient } from '../../wire/rpc/channel.ts'
import type { ByteRange, DataClient } from '../../wire/data/data-client.ts'
import type { WorkerInfo } from '../../wire/generated/master.ts'
import type { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import { type LentBlock, OpenedBlocks } from './opened-blocks.ts'
import { type PieceMemory, piecesOf, readPieces } from './block-pieces.ts'
import type { NearBlock } from './near-block.ts'
import { KeptPages } from './kept-pages.ts'
import { type OnBlockRead, SmallBlocks } from './small-blocks.ts'

/** Shorter parts are as fast over the data port. */
const partBytesMin = 256 * 1024
/** Blocks whose small parts are counted. */
const smallBlocksMax = 1000
/** Pages of which parts were read, kept for the rest of them. */
const keptPagesMax = 16
/** Small blocks that are read ahead, all of them together. */
const smallBytesMax = 16 * 1024 * 1024
/** Blocks of one call: the first of them should be there soon. */
const locatedAtOnce = 64
const locateDeadlineMs = 2000
/** Failed opens in a row after which this worker's files count as unreachable. */
const missesMax = 3
const restMs = 30_000

export interface ShortCircuitReaderOptions {
  readonly connectWorker: (rpcAddress: string) => Pick<ServiceClient<WorkerServiceDefinition>, 'close'> & {
    readonly service: Pick<Service<WorkerServiceDefinition>, 'locateBlock' | 'locateBlocks'>
  }
  readonly data: Pick<DataClient, 'read'>
  readonly clock: Clock
  readonly logger: Logger
}

interface NearWorker {
  readonly rpcAddress: string
  readonly connection: ReturnType<ShortCircuitReaderOptions['connectWorker']>
  misses: number
  restUntilMs: number
  /** Whether the last block that was asked for could be opened as a file. */
  isOpened: boolean
  /** Read from files that were open already, and not told to the worker yet. */
  untoldBytes: number
}

export class ShortCircuitReader {
  readonly #options: ShortCircuitReaderOptions
  readonly #workers = new Map<string, NearWorker>()
  readonly #blocks: OpenedBlocks
  readonly #pages: KeptPages
  readonly #small: SmallBlocks
  readonly #closing = new AbortController()
  /** Bytes of small parts that were read over the data port, by block. */
  readonly #smallBytes = new Map<string, number>()

  constructor(options: ShortCircuitReaderOptions) {
    this.#options = options
    this.#blocks = new OpenedBlocks(options)
    this.#pages = new KeptPages({ pagesMax: keptPagesMax, clock: options.clock })
    this.#small = new SmallBlocks({ bytesMax: smallBytesMax, clock: options.clock })
  }

  /**
   * Yields exactly the bytes of `range`: in `memory` (a target by offset in the block) what is read
   * from the file, and all else in memory of its own. When it throws, nothing more is written to
   * the target.
   * @throws the errors of DataClient.read
   */
  async *read(
    block: NearBlock,
    range: ByteRange,
    signal: AbortSignal,
    memory: PieceMemory = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const small = this.#small.get(block.blockId)
    if (small !== undefined) {
      yield small.subarray(range.offset, range.offset + range.length)
      return
    }
    let got = 0
    const key = `${block.worker.workerId} ${block.blockId}`
    const lent = await this.#lend(key, block, range.length, signal)
    if (lent !== undefined) {
      let isBroken = true
      try {
        for await (const piece of piecesOf(lent.reader, range, signal, memory, this.#pages.of(key))) {
          got += piece.length
          yield piece
        }
        isBroken = false
      } catch (thrown) {
        throwIfAborted(signal)
        this.#options.logger.debug('continuing to read a block over the data port', {
          ...told(block),
          error: toSkeinError(thrown).message,
        })
      } finally {
        lent.giveBack(isBroken)
      }
    }
    if (got === range.length) return
    const rest = { offset: range.offset + got, length: range.length - got }
    yield* this.#options.data.read(block.worker.dataAddress, block.blockId, rest, signal, block.expected)
  }

  /**
   * Fills `into` from a block that is open already, or was read ahead.
   * @returns false when it is not, or cannot be read: `read` reads it then, whatever is the matter
   * @throws the signal's reason
   */
  async readOpened(block: NearBlock, offset: number, into: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const small = this.#small.get(block.blockId)
    if (small !== undefined) {
      into.set(small.subarray(offset, offset + into.length))
      return true
    }
    const key = `${block.worker.workerId} ${block.blockId}`
    if (!this.#blocks.has(key)) return false
    const lent = await this.#lend(key, block, into.length, signal)
    if (lent === undefined) return false
    let isBroken = true
    try {
      await readPieces(lent.reader, into, offset, signal, this.#pages.of(key))
      isBroken = false
      return true
    } catch {
      throwIfAborted(signal)
      return false
    } finally {
      lent.giveBack(isBroken)
    }
  }

  /** Whether blocks of this worker, which is on this host, are expected to be read from files. */
  readsFilesOf({ workerId }: Pick<WorkerInfo, 'workerId'>): boolean {
    const near = this.#workers.get(workerId)
    return near === undefined || (near.isOpened && this.#options.clock.monotonicMs() >= near.restUntilMs)
  }

  /**
   * Begins to read small blocks of workers on this host, which will be read soon. Reads of blocks
   * that are there by then take no call.
   * @param onRead called with each block that is there
   */
  readAhead(blocks: readonly NearBlock[], onRead: OnBlockRead): void {
    const byWorker = Map.groupBy(blocks, ({ worker }) => worker)
    for (const [worker, wanted] of byWorker) {
      this.#readSmall(worker, wanted, onRead).catch((thrown: unknown) => {
        const { message: error } = toSkeinError(thrown)
        this.#options.logger.debug('small blocks are not read ahead', { worker: worker.workerId, error })
      })
    }
  }

  async #readSmall(worker: WorkerInfo, wanted: readonly NearBlock[], onRead: OnBlockRead): Promise<void> {
    const near = this.#nearWorker(worker)
    if (this.#options.clock.monotonicMs() < near.restUntilMs) return
    const missing = wanted.filter((block) => {
      const bytes = this.#small.get(block.blockId)
      if (bytes !== undefined) onRead(block, bytes)
      return bytes === undefined
    })
    const directories = worker.directories.map(({ path }) => path)
    const options = { signal: this.#closing.signal, deadlineMs: locateDeadlineMs }
    for (let from = 0; from < missing.length; from += locatedAtOnce) {
      const part = missing.slice(from, from + locatedAtOnce)
      const blockIds = part.map(({ blockId }) => blockId)
      const { blocks } = await near.connection.service.locateBlocks({ blockIds }, options)
      await this.#small.read(part, blocks, directories, onRead)
    }
  }

  /** Closes the files and the connections. */
  close(): void {
    this.#closing.abort()
    this.#blocks.close()
    this.#pages.close()
    this.#small.close()
    for (const { connection } of this.#workers.values()) connection.close()
    this.#workers.clear()
  }

  /** Undefined: the block is not to be read from its file, or cannot be. */
  async #lend(key: string, block: NearBlock, bytes: number, signal: AbortSignal): Promise<LentBlock | undefined> {
    // A small block that is read at once is kept in memory if it is read often
    // (small-block-cache.ts).
    if (bytes < partBytesMin && bytes === block.length) return undefined
    if (bytes < partBytesMin && !this.#blocks.has(key) && !this.#isReadOften(key, bytes)) return undefined
    const lent = await this.#blocks.lend(key, () => this.#open(block, bytes), signal)
    if (lent?.wasOpen === true) this.#count(block, bytes)
    return lent
  }

  /** Whether small parts of a block have come to as many bytes as one for which it is opened. */
  #isReadOften(key: string, bytes: number): boolean {
    const sum = (this.#smallBytes.get(key) ?? 0) + bytes
    if (this.#smallBytes.size >= smallBlocksMax) this.#smallBytes.clear()
    if (sum < partBytesMin) this.#smallBytes.set(key, sum)
    else this.#smallBytes.delete(key)
    return sum >= partBytesMin
  }

  /** The worker hears of reads of open files when they are as many bytes as the block has. */
  #count({ worker, blockId, length }: NearBlock, bytes: number): void {
    const near = this.#nearWorker(worker)
    near.untoldBytes += bytes
    if (near.untoldBytes < length) return
    near.untoldBytes -= length
    const options = { signal: this.#closing.signal, deadlineMs: locateDeadlineMs }
    near.connection.service.locateBlock({ blockId, bytes: length }, options).catch(() => undefined)
  }

  /** Undefined: the block cannot be opened from here. */
  async #open(block: NearBlock, bytes: number): Promise<PageReader | undefined> {
    const near = this.#nearWorker(block.worker)
    const reader = await this.#openOf(near, block, bytes)
    near.isOpened = reader !== undefined
    return reader
  }

  async #openOf(near: NearWorker, block: NearBlock, bytes: number): Promise<PageReader | undefined> {
    const { clock, logger } = this.#options
    // Others may wait for it when the first reader does not any more.
    const { signal } = this.#closing
    if (clock.monotonicMs() < near.restUntilMs) return undefined
    const { blockId, length } = block
    let located
    try {
      // A worker counts no more bytes than the block has.
      const untold = Math.min(near.untoldBytes, length - bytes)
      near.untoldBytes -= untold
      const options = { signal, deadlineMs: locateDeadlineMs }
      located = await near.connection.service.locateBlock({ blockId, bytes: bytes + untold }, options)
    } catch (thrown) {
      throwIfAborted(signal)
      const { code, message } = toSkeinError(thrown)
      // The block is missing or corrupt, so the worker itself is fine.
      if (code !== 'not_found' && code !== 'data_loss') near.restUntilMs = clock.monotonicMs() + restMs
      logger.debug('a worker did not return the place of a block', { ...told(block), code, error: message })
      return undefined
    }
    const { header, path } = located
    if (path === '' || header === undefined || header.blockId !== blockId || header.length !== length) return undefined
    // The data port reports the same problem, with what to do about it.
    if (wrongBlock(header, block.expected) !== undefined) return undefined
    try {
      const directories = block.worker.directories.map((directory) => directory.path)
      if (!(await isBlockPlace(path, directories)))
        throw new SkeinError('permission_denied', `${path} is not in a block directory of the worker`)
      const reader = await openLocated(located, header)
      near.misses = 0
      return reader
    } catch (thrown) {
      const { code, message } = toSkeinError(thrown)
      near.misses += 1
      if (near.misses >= missesMax) {
        near.misses = 0
        near.restUntilMs = clock.monotonicMs() + restMs
      }
      logger.debug('reading a block of this host over the data port', { ...told(block), code, error: message })
      return undefined
    }
  }

  #nearWorker({ workerId, rpcAddress }: WorkerInfo): NearWorker {
    const known = this.#workers.get(workerId)
    if (known?.rpcAddress === rpcAddress) return known
    known?.connection.close()
    const connection = this.#options.connectWorker(rpcAddress)
    const near: NearWorker = {
      rpcAddress,
      connection,
      misses: 0,
      restUntilMs: Number.NEGATIVE_INFINITY,
      isOpened: true,
      untoldBytes: 0,
    }
    this.#workers.set(workerId, near)
    return near
  }
}

function told({ worker, blockId }: NearBlock): { worker: string; blockId: number } {
  return { worker: worker.workerId, blockId }
}
