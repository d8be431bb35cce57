// Why: clients ask a worker which blocks it has, and tell it to drop one. How: the worker's own
// store answers. A block that may exist nowhere else is never dropped because a client says so:
// only one of a complete file that its store has.
// Calls: src/client/worker.rs of the Rust client, 0.2.2.
import { SkeinError, isSkeinError } from '../../base/errors.ts'
import type { FilesById } from '../../client/open/files-by-id.ts'
import type { BlockWorkerDefinition } from '../generated/goosefs/blocks.ts'
import { blockIdOfNative, blockOfNative } from '../ids/native-ids.ts'
import type { NativeHandlers } from '../native-service.ts'

/** A block that is open: it is neither evicted nor moved until it is closed. */
export interface OpenBlock {
  readonly header: {
    readonly blockId: number
    readonly namespaceId: string
    readonly key: string
    readonly etag: string
    readonly offset: number
    readonly length: number
    readonly durable?: boolean | undefined
  }
  /** Undefined: in no file. */
  readonly place?: { readonly path: string; readonly dataOffset: number } | undefined
  /** Checked bytes. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>
  close(): Promise<void>
}

/** The blocks of this worker, by the ids of this cluster. */
export interface WorkerBlocks {
  has(blockId: number): boolean
  /** @throws SkeinError not_found */
  open(blockId: number): Promise<OpenBlock>
  free(blockId: number): Promise<boolean>
}

export interface CachedBlocksParts {
  readonly blocks: WorkerBlocks
  readonly files: Pick<FilesById, 'open'>
}

/** Of one question. */
const checkedBlocksMax = 10_000
const openAtOnce = 16

export function cachedBlockHandlers({
  blocks,
  files,
}: CachedBlocksParts): Pick<NativeHandlers<BlockWorkerDefinition>, 'checkBlocks' | 'removeBlock'> {
  return {
    checkBlocks: async ({ blockIds }, { signal }) => {
      if (blockIds.length > checkedBlocksMax) {
        const message = `${blockIds.length} blocks are asked for at once, ${checkedBlocksMax} at most`
        throw new SkeinError('invalid_argument', message)
      }
      const blockCachedBytes = new Map<bigint, bigint>()
      const wanted = [...new Set(blockIds)]
      for (let from = 0; from < wanted.length; from += openAtOnce) {
        signal.throwIfAborted()
        const part = wanted.slice(from, from + openAtOnce)
        const bytes = await Promise.all(part.map((id) => cachedBytes(blocks, id)))
        for (const [at, id] of part.entries()) blockCachedBytes.set(id, BigInt(bytes[at] ?? 0))
      }
      return { blockCachedBytes }
    },
    removeBlock: async ({ blockId: id }, { signal }) => {
      if (id === undefined) throw new SkeinError('invalid_argument', 'RemoveBlock needs a block_id')
      const blockId = blockIdOfNative(id)
      if (!blocks.has(blockId)) throw new SkeinError('not_found', `block ${id} is not on this worker`)
      const version = await files.open(blockOfNative(id).fileId, signal).catch((thrown: unknown) => {
        throw isSkeinError(thrown, 'not_found') ? unsafe(id, 'no complete file has it') : thrown
      })
      if (version.file.persistenceState !== 'PERSISTED') throw unsafe(id, 'its file is not at the store yet')
      const block = await blocks.open(blockId)
      await block.close()
      if (block.header.durable === true) throw unsafe(id, 'it is kept until the store has it')
      await blocks.free(blockId)
      return {}
    },
  }
}

/** 0: the block is not here, or no block here can have the id. */
async function cachedBytes(blocks: WorkerBlocks, id: bigint): Promise<number> {
  try {
    const blockId = blockIdOfNative(id)
    if (!blocks.has(blockId)) return 0
    const block = await blocks.open(blockId)
    await block.close()
    return block.header.length
  } catch {
    // It went, or cannot be read.
    return 0
  }
}

function unsafe(id: bigint, why: string): SkeinError {
  return new SkeinError('failed_precondition', `block ${id} stays: ${why}, and its bytes may be nowhere else`)
}
