// Why: compares cached files with the store. The store's checksum makes this possible without
// reading objects again. How: the master looks the object up, which also returns its checksum. Each
// block is read from all targets that hold it, and the whole file is compared with the CRC-64, or
// with an ETag that is an MD5. A block whose header does not match is bad by itself. The replicas
// of a file that differs are freed and reported as missing, so that the job master loads them again
// - unless the object itself does not match its ETag (opaque-etags.ts).
import { createHash } from 'node:crypto'
import { blockIdOf, blockLength } from '../../base/block-id.ts'
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { Crc64 } from '../../base/checksum/crc64.ts'
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

/** Reads and frees cached blocks. */
export interface CachedBlocks {
  /**
   * Yields exactly the bytes of the block.
   * @throws not_found when the worker has no such block; data_loss when it belongs to another file
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

/** Retries for about two minutes when the master does not answer. */
const masterPolicy: RetryPolicy = { attemptsMax: 60, initialMs: 100, maxMs: 5000 }

export interface VerifyTally {
  verified: number
  unverifiable: number
}

/**
 * Checks the files of a set. Replicas to load again are recorded as failures in the outcome.
 * @throws the signal's reason
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
    // Replicas that cannot be read now do not count as different: they may be correct.
    if (this.#unread && this.#bad.length === 0) return 'unverifiable'
    if (expected.kind === 'none') {
      if (this.#bad.length === 0) return 'unverifiable'
      // If replicas differ, nothing tells which one is correct.
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
      // If the worker cannot be reached, it keeps the block: the new replica goes to another
      // worker, or waits for this one. A durable block with a wrong header may be the only copy of
      // another file, so it is kept.
      if (error.reason !== 'wrong_durable_block')
        await this.#deps.cached
          .free(target, [blockIdOf(this.#piece.fileId, index)], this.#signal)
          .catch(() => throwIfAborted(this.#signal))
      outcome.targetFailed(this.#piece, index, target.workerId, error)
    }
    return 'different'
  }

  /**
   * Whether the object has the same bytes as the cached file although its ETag differs. Also true
   * when the object cannot be read now.
   */
  async #isEtagOpaque(outcome: SetOutcome, crc64: string): Promise<boolean> {
    const { etags, logger } = this.#deps
    try {
      const onBytes = (bytes: number): void => void (outcome.originBytes += bytes)
      const verdict = await askStore(this.#set.namespaceId, this.#piece, this.#deps, this.#signal, onBytes)
      if (verdict.isEtagMd5) return false
      if (etags.proven(this.#loadId)) {
        const what = 'ETags of this load are not MD5 sums of the content: files without a CRC-64 cannot be verified'
        logger.warn(what, { loadId: this.#loadId, namespaceId: this.#set.namespaceId, key: this.#piece.key })
      }
      return verdict.crc64 === crc64
    } catch (thrown) {
      throwIfAborted(this.#signal)
      // The ETag alone, which may not be an MD5 sum, is not enough to drop the file.
      logger.warn('a cached file does not match its ETag, and its object cannot be read from the store', {
        loadId: this.#loadId,
        key: this.#piece.key,
        error: toSkeinError(thrown).message,
      })
      return true
    }
  }

  #isBad(replica: Replica, against: string): void {
    const block = `block ${replica.index} on ${replica.target.workerId}`
    const message = `${block} differs from the store: its ${against} does not match`
    this.#bad.push({ replica, error: new SkeinError('data_loss', message, { reason: 'checksum', retryable: true }) })
  }

  /**
   * The store's checksum of this version, if there is one. Undefined: the store has another version
   * now.
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
   * The file as it is in the store. Undefined when it is gone or cannot be cached; the audit
   * handles these cases.
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
   * Reads a block from every target that has it. The first replica is added to the whole-file sum.
   * Replicas that differ from it are bad.
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
      // A set does not say whether its files were moved. The checksum covers what the key would
      // show.
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
        // Blocks of one file can be on different workers. The audit finds blocks that no worker
        // has.
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
  /** Finishes the sum. */
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
