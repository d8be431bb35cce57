// Why: what is cached shall be what the store has, and the store's own checksum says so without
// reading the object again. How: the master looks at the object (its checksum comes with that),
// each block is read from the targets that hold it, and the whole is held against CRC-64, or an
// ETag that is an MD5. A block that says that it is another one is bad by itself. Of a file that
// differs the replicas go, and are reported as missing, so that the job master has them loaded
// anew; unless the store's own bytes differ from the ETag, too (opaque-etags.ts).
import { createHash } from 'node:crypto'
import { blockIdOf, blockLength } from '../../base/block-id.ts'
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { Crc64 } from '../../base/crc64.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { ExpectedBlock } from '../../base/expected-block.ts'
import { retry, type RetryPolicy } from '../../base/flow/retry.ts'
import type { WorkerAddress } from '../../client/write/block-target-pool.ts'
import type { SetPiece, SetTarget, StartSetResponse } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition, SyncedFile } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { StoreCache } from '../../ufs/store-cache.ts'
import { askStore, type OpaqueEtags } from './opaque-etags.ts'
import type { SetOutcome } from './set-outcome.ts'

/** How cached blocks are reached. */
export interface CachedBlocks {
  /**
   * Exactly the block's bytes. @throws not_found when the worker has no such block; data_loss when
   * it is another file's
   */
  read(worker: WorkerAddress, blockId: number, expected: ExpectedBlock, signal: AbortSignal): AsyncIterable<Uint8Array>
  free(worker: WorkerAddress, blockIds: readonly number[], signal: AbortSignal): Promise<void>
}

export interface VerifyDependencies {
  readonly master: Pick<Service<MasterServiceDefinition>, 'refreshFile'>
  readonly cached: CachedBlocks
  readonly stores: Pick<StoreCache, 'lease'>
  readonly etags: OpaqueEtags
  readonly clock: Clock
  readonly random: Random
  readonly logger: Pick<Logger, 'warn'>
}

/** How long a master that does not answer is waited for: about two minutes. */
const masterPolicy: RetryPolicy = { attemptsMax: 60, initialMs: 100, maxMs: 5000 }

export interface VerifyTally {
  verified: number
  unverifiable: number
}

/**
 * Checks the files of a set; what must be loaded anew is in the outcome's failures. @throws the
 * signal's reason
 */
export async function verifySet(
  loadId: string,
  set: StartSetResponse,
  outcome: SetOutcome,
  deps: VerifyDependencies,
  signal: AbortSignal,
): Promise<VerifyTally> {
  const tally = { verified: 0, unverifiable: 0 }
  for (const piece of set.pieces) {
    const result = await new FileCheck(loadId, set, piece, deps, signal).run(outcome)
    if (result !== 'different') tally[result] += 1
  }
  return tally
}

interface Replica {
  readonly index: number
  readonly target: SetTarget
}

class FileCheck {
  readonly #loadId: string
  readonly #set: StartSetResponse
  readonly #piece: SetPiece
  readonly #deps: VerifyDependencies
  readonly #signal: AbortSignal
  readonly #held: Replica[] = []
  #unread = false
  readonly #bad: { readonly replica: Replica; readonly error: SkeinError }[] = []

  constructor(loadId: string, set: StartSetResponse, piece: SetPiece, deps: VerifyDependencies, signal: AbortSignal) {
    this.#loadId = loadId
    this.#set = set
    this.#piece = piece
    this.#deps = deps
    this.#signal = signal
  }

  async run(outcome: SetOutcome): Promise<'verified' | 'unverifiable' | 'different'> {
    const expected = await this.#expected()
    if (expected === undefined) return 'unverifiable'
    const whole = expected.kind === 'MD5' ? md5Sum() : crcSum()
    for (let index = 0; index < this.#piece.blockCount; index += 1) await this.#block(index, whole)
    // What could not be read now is not called different: it may be right.
    if (this.#unread && this.#bad.length === 0) return 'unverifiable'
    if (expected.kind === 'none') {
      if (this.#bad.length === 0) return 'unverifiable'
      // Of replicas that differ nothing says which is right.
      if (this.#bad.some(({ error }) => error.reason === 'checksum'))
        for (const replica of this.#held)
          if (!this.#bad.some((one) => isSame(one.replica, replica))) this.#isBad(replica, 'other replica')
    }
    if (this.#bad.length === 0) {
      const { sum, crc64 } = whole.digests()
      const isWhole = sum === expected.value
      if (expected.kind === 'MD5' && isWhole) this.#deps.etags.refuted(this.#loadId)
      if (isWhole) return 'verified'
      if (expected.kind === 'MD5' && (await this.#isEtagOpaque(outcome, crc64))) return 'unverifiable'
      for (const replica of this.#held) this.#isBad(replica, expected.kind)
    }
    for (const { replica, error } of this.#bad) {
      const { index, target } = replica
      // A worker that cannot be told has it still: what is loaded anew goes to another one, or
      // waits for this one. A block that no store has may be another file's only copy: it stays,
      // whatever lies under its id.
      if (error.reason !== 'wrong_durable_block')
        await this.#deps.cached
          .free(target, [blockIdOf(this.#piece.fileId, index)], this.#signal)
          .catch(() => throwIfAborted(this.#signal))
      outcome.targetFailed(this.#piece, index, target.workerId, error)
    }
    return 'different'
  }

  /**
   * Whether the store's own bytes are those that are cached, although its ETag differs; or cannot
   * be read now.
   */
  async #isEtagOpaque(outcome: SetOutcome, crc64: string): Promise<boolean> {
    const { etags, logger } = this.#deps
    try {
      const onBytes = (bytes: number): void => void (outcome.originBytes += bytes)
      const verdict = await askStore(this.#set.namespaceId, this.#piece, this.#deps, this.#signal, onBytes)
      if (verdict.isEtagMd5) return false
      if (etags.proven(this.#loadId)) {
        const what = 'ETags of this load are no MD5 of the content: files without a CRC-64 count as not verifiable'
        logger.warn(what, { loadId: this.#loadId, namespaceId: this.#set.namespaceId, key: this.#piece.key })
      }
      return verdict.crc64 === crc64
    } catch (thrown) {
      throwIfAborted(this.#signal)
      // Nothing is dropped on no other word than that of a sum which may be none.
      logger.warn('a file that differs from its ETag cannot be read at the store', {
        loadId: this.#loadId,
        key: this.#piece.key,
        error: toSkeinError(thrown).message,
      })
      return true
    }
  }

  #isBad(replica: Replica, against: string): void {
    const block = `block ${replica.index} on ${replica.target.workerId}`
    const message = `${block} is not what the store has: it differs by its ${against}`
    this.#bad.push({ replica, error: new SkeinError('data_loss', message, { reason: 'checksum', retryable: true }) })
  }

  /**
   * The store's checksum of this version, as far as one is known; undefined when it has another
   * version by now.
   */
  async #expected(): Promise<{ readonly kind: 'crc64' | 'MD5' | 'none'; readonly value: string } | undefined> {
    const { key, fileId, etag, crc64: known = '' } = this.#piece
    const file = await this.#look(key)
    if (file !== undefined && file.fileId !== fileId) return undefined
    const crc64 = file?.crc64 ?? known
    if (crc64 !== '') return { kind: 'crc64', value: crc64 }
    const isMd5 = /^[0-9a-f]{32}$/.test(etag) && this.#deps.etags.areMd5(this.#loadId)
    return isMd5 ? { kind: 'MD5', value: etag } : { kind: 'none', value: '' }
  }

  /**
   * The file as the store has it; undefined when it is gone, or cannot be cached: the audit looks
   * at that.
   */
  async #look(key: string): Promise<SyncedFile | undefined> {
    const { master } = this.#deps
    const signal = this.#signal
    const request = { namespaceId: this.#set.namespaceId, key }
    try {
      return (
        await retry(() => master.refreshFile(request, { signal }), { ...this.#deps, policy: masterPolicy, signal })
      ).file
    } catch (thrown) {
      throwIfAborted(signal)
      if (isSkeinError(thrown, 'not_found') || isSkeinError(thrown, 'failed_precondition')) return undefined
      throw toSkeinError(thrown)
    }
  }

  /**
   * Reads a block from every target that has it; the first one's bytes go into the whole. Replicas
   * that differ from it are bad.
   */
  async #block(index: number, whole: Sum): Promise<void> {
    const { fileId, key, etag, length, blockSizeBytes } = this.#piece
    const blockId = blockIdOf(fileId, index)
    const expected: ExpectedBlock = {
      ...{
        namespaceId: this.#set.namespaceId,
        key,
        etag,
        offset: index * blockSizeBytes,
        length: blockLength(length, blockSizeBytes, index),
      },
      // A set does not say whether its files were moved; what a key would tell, the sum tells.
      keyMoved: true,
    }
    let first: string | undefined
    for (const target of this.#set.targets) {
      const own = new Crc64()
      try {
        for await (const chunk of this.#deps.cached.read(target, blockId, expected, this.#signal)) {
          own.update(chunk)
          if (first === undefined) whole.update(chunk)
        }
      } catch (thrown) {
        throwIfAborted(this.#signal)
        // Blocks of one file may be on different workers; a block that is on none the audit finds.
        if (isSkeinError(thrown, 'data_loss'))
          this.#bad.push({ replica: { index, target }, error: toSkeinError(thrown) })
        else if (!isSkeinError(thrown, 'not_found')) this.#unread = true
        continue
      }
      this.#held.push({ index, target })
      if (first === undefined) first = own.digest()
      else if (own.digest() !== first) this.#isBad({ index, target }, 'other replica')
    }
  }
}

function isSame(a: Replica, b: Replica): boolean {
  return a.index === b.index && a.target === b.target
}

interface Sum {
  update(bytes: Uint8Array): void
  /** Ends the sum. */
  digests(): { readonly sum: string; readonly crc64: string }
}

function crcSum(): Sum {
  const crc = new Crc64()
  return {
    update: (bytes) => crc.update(bytes),
    digests: () => {
      const crc64 = crc.digest()
      return { sum: crc64, crc64 }
    },
  }
}

function md5Sum(): Sum {
  const md5 = createHash('md5')
  const crc = new Crc64()
  return {
    update: (bytes) => {
      md5.update(bytes)
      crc.update(bytes)
    },
    digests: () => ({ sum: md5.digest('hex'), crc64: crc.digest() }),
  }
}
