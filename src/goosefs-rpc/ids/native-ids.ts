// Why: GooseFS's clients compute block ids from file ids, with 40 bits of container and 24 of
// index; ours have 33 and 20 (base/block-id.ts). Workers are numbers there and words here. How: a
// container is the same number on both sides, and a worker's number is a hash of its word
// (base/ring/native-worker-id.ts). Layout: src/block/mapper.rs of the Rust client, 0.2.2.
import { blockIdOf, blocksPerFileMax, containerOf, containersMax, fileIdOf } from '../../base/block-id.ts'
import { SkeinError } from '../../base/errors.ts'

export { nativeWorkerId } from '../../base/ring/native-worker-id.ts'

const indexBits = 24n
const indexMask = (1n << indexBits) - 1n

/** @param fileId of a file or directory here */
export function nativeFileId(fileId: number): bigint {
  return (BigInt(containerOf(fileId)) << indexBits) | indexMask
}

export function nativeBlockId(fileId: number, index: number): bigint {
  return (BigInt(containerOf(fileId)) << indexBits) | BigInt(index)
}

/** The file id here. @throws SkeinError invalid_argument */
export function fileIdOfNative(id: bigint): number {
  return fileIdOf(containerOfNative(id))
}

/**
 * The file and the index of a block.
 * @throws SkeinError invalid_argument: no block here has such an id
 */
export function blockOfNative(id: bigint): { readonly fileId: number; readonly index: number } {
  const fileId = fileIdOf(containerOfNative(id))
  const index = Number(id & indexMask)
  if (index >= blocksPerFileMax)
    throw new SkeinError('invalid_argument', `${id} is no block: a file has at most ${blocksPerFileMax} blocks`)
  return { fileId, index }
}

/** Our id of a block that a client names. @throws SkeinError invalid_argument */
export function blockIdOfNative(id: bigint): number {
  const { fileId, index } = blockOfNative(id)
  return blockIdOf(fileId, index)
}

/**
 * A number that clients say of bytes, as a double.
 * @throws SkeinError invalid_argument: negative, or above 2^53
 */
export function bytesOfNative(value: bigint | undefined, what: string): number {
  if (value === undefined || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new SkeinError('invalid_argument', `${what} ${value === undefined ? 'is missing' : `must not be ${value}`}`)
  return Number(value)
}

function containerOfNative(id: bigint): number {
  const container = id >> indexBits
  if (id < 0n || container >= BigInt(containersMax))
    throw new SkeinError('invalid_argument', `${id} is no id of a file or block`)
  return Number(container)
}
