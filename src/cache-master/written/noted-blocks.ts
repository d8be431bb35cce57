// Why: a client of another protocol says how long its file is, and its blocks come by workers that
// it speaks to: a file must not get a length that its blocks do not have. How: workers say of each
// block how long it has become, and a file is complete when these lengths are those of its blocks.
// In memory: after a start of the master such a file is refused, and written again.
import { blockCount, blockLength, blocksPerFileMax } from '../../base/block-id.ts'
import { SkeinError } from '../../base/errors.ts'
import type { PendingInode } from '../../meta/meta-tables.ts'

type Lengths = Map<number, number>

/** So many files may be kept before those are looked for that nobody writes any more. */
const sweepFilesMin = 1000

export class NotedBlocks {
  readonly #files = new Map<number, Lengths>()
  readonly #isPending: (fileId: number) => boolean
  #sweepAt = sweepFilesMin

  constructor(isPending: (fileId: number) => boolean) {
    this.#isPending = isPending
  }

  /** @throws SkeinError invalid_argument, already_exists with another length */
  note({ id, key, blockSizeBytes }: PendingInode, index: number, length: number): void {
    if (index >= blocksPerFileMax)
      throw new SkeinError('invalid_argument', `a file has at most ${blocksPerFileMax} blocks`)
    if (length < 1 || length > blockSizeBytes)
      throw new SkeinError('invalid_argument', `a block of ${key} has 1 to ${blockSizeBytes} bytes, not ${length}`)
    const lengths = this.#files.get(id) ?? this.#begin(id)
    const known = lengths.get(index)
    if (known !== undefined && known !== length)
      throw new SkeinError('already_exists', `block ${index} of ${key} was written before, with ${known} bytes`)
    lengths.set(index, length)
  }

  /** Of all blocks of a file; undefined: none is known. */
  bytes(fileId: number): number | undefined {
    const lengths = this.#files.get(fileId)
    return lengths === undefined ? undefined : Iterator.from(lengths.values()).reduce((sum, one) => sum + one, 0)
  }

  /**
   * @param options.mayMiss the store has the bytes of blocks that are missing
   * @throws SkeinError failed_precondition unless the blocks are those of a file of this length
   */
  check(
    { id, key, blockSizeBytes }: PendingInode,
    length: number,
    { mayMiss }: { readonly mayMiss: boolean } = { mayMiss: false },
  ): void {
    const lengths = this.#files.get(id)
    const count = blockCount(length, blockSizeBytes)
    if (mayMiss && lengths === undefined) return
    if (lengths === undefined && count > 0)
      throw refusal(
        `no block of ${key} is known: none was written, or the master was started anew: write the file again`,
      )
    for (let index = 0; index < count; index += 1) {
      const expected = blockLength(length, blockSizeBytes, index)
      const written = lengths?.get(index) ?? (mayMiss ? expected : 0)
      if (written !== expected)
        throw refusal(
          `block ${index} of ${key} has ${written} bytes, ${expected} in a file of ${length}: write the file again`,
        )
    }
    const more = Iterator.from(lengths?.keys() ?? []).reduce((sum, index) => sum + (index < count ? 0 : 1), 0)
    if (more > 0) throw refusal(`${key} has ${more} blocks more than a file of ${length} bytes: write the file again`)
  }

  forget(fileId: number): void {
    this.#files.delete(fileId)
  }

  #begin(fileId: number): Lengths {
    if (this.#files.size >= this.#sweepAt) {
      for (const known of this.#files.keys()) if (!this.#isPending(known)) this.#files.delete(known)
      this.#sweepAt = Math.max(sweepFilesMin, 2 * this.#files.size)
    }
    const lengths: Lengths = new Map()
    this.#files.set(fileId, lengths)
    return lengths
  }
}

function refusal(message: string): SkeinError {
  return new SkeinError('failed_precondition', message, { reason: 'blocks_differ' })
}
