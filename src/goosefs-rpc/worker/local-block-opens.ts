// Why: a client of an older version on the worker's host maps the file of a block into its memory.
// How: the worker opens the block, checks all its pages (once for each file), and names the file;
// while the stream is open the block is neither evicted nor moved. A block without a file of its
// own is declined, and the client reads it over the network. Only the worker's own user can open
// the file: the directories of blocks are closed to others.
// Sequence: src/client/worker.rs and src/io/short_circuit of the Rust client, 0.1.9.
import { stat } from 'node:fs/promises'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { wrongBlock } from '../../base/expected-block.ts'
import { Budget } from '../../base/flow/budget.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import { expectedBlock } from '../../client/read/near-block.ts'
import type { BlockWorkerDefinition } from '../generated/goosefs/blocks.ts'
import { blockIdOfNative, blockOfNative } from '../ids/native-ids.ts'
import type { Bidirectional } from '../native-service.ts'
import type { CachedBlocksParts, OpenBlock } from './cached-blocks.ts'

type OpenLocalBlock = Bidirectional<BlockWorkerDefinition['methods']['openLocalBlock']>

/** Blocks that clients have open: they cannot be evicted. */
const openMax = 256
const checksAtOnce = 2
/** Files whose pages were checked are remembered. */
const checkedMax = 10_000

export class LocalBlockOpens {
  readonly #parts: CachedBlocksParts
  readonly #open = new Budget('blocks that clients have open', openMax)
  readonly #checks = new Budget('blocks that are checked', checksAtOnce)
  /** By path: which file was checked there. In the order of their last use. */
  readonly #checked = new Map<string, string>()

  constructor(parts: CachedBlocksParts) {
    this.#parts = parts
  }

  /** Blocks that are open. */
  get open(): number {
    return this.#open.used
  }

  /** Handles OpenLocalBlock. */
  readonly openLocal: OpenLocalBlock = async (requests, { signal }, send) => {
    const share = this.#open.tryAcquire(1)
    if (share === undefined) throw new SkeinError('resource_exhausted', `${openMax} blocks are open, at most`)
    let block: OpenBlock | undefined
    try {
      for await (const { blockId } of requests) {
        if (blockId === undefined) throw new SkeinError('invalid_argument', 'OpenLocalBlock needs a block_id')
        if (block !== undefined) throw new SkeinError('invalid_argument', 'OpenLocalBlock opens one block a stream')
        block = await this.#parts.blocks.open(blockIdOfNative(blockId))
        await send({ path: await this.#pathOf(blockId, block, signal), blockSize: BigInt(block.header.length) })
      }
    } finally {
      share.release()
      await block?.close()
    }
  }

  /** @throws SkeinError failed_precondition, not_found, data_loss */
  async #pathOf(id: bigint, block: OpenBlock, signal: AbortSignal): Promise<string> {
    const { place, header } = block
    if (place === undefined || place.dataOffset !== 0)
      throw new SkeinError('failed_precondition', `block ${id} has no file of its own here: read it with ReadBlock`)
    const { fileId, index } = blockOfNative(id)
    const version = await this.#parts.files.open(fileId, signal)
    const problem = wrongBlock(header, expectedBlock(version.file, index))
    if (problem !== undefined) throw new SkeinError('data_loss', `block ${id} is not the expected one: ${problem}`)
    const file = await fileAt(place.path, id)
    if (this.#checked.get(place.path) !== file) await this.#check(block, signal)
    this.#checked.delete(place.path)
    this.#checked.set(place.path, file)
    const [oldest] = this.#checked.keys()
    if (this.#checked.size > checkedMax && oldest !== undefined) this.#checked.delete(oldest)
    return place.path
  }

  async #check(block: OpenBlock, signal: AbortSignal): Promise<void> {
    const share = await this.#checks.acquire(1, signal)
    try {
      for (let at = 0; at < block.header.length; at += pageBytes) {
        throwIfAborted(signal)
        await block.read(at, Math.min(pageBytes, block.header.length - at), signal)
      }
    } finally {
      share.release()
    }
  }
}

/** Changes when there is another file at the path, or when it is written to. */
async function fileAt(path: string, id: bigint): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs].join(' ')
  } catch (cause) {
    throw new SkeinError('not_found', `the file of block ${id} is gone`, { cause })
  }
}
