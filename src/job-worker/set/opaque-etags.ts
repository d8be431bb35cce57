// Why: an ETag of 32 hex digits is usually the MD5 of the content, but not if the store encrypts
// with its own or the customer's keys. Then every file would seem to differ and would be loaded
// again and again. How: if a cached file does not match its ETag, the object is read from the store
// and compared with both. If it does not match the ETag either, the ETag is opaque and is ignored.
// After a few opaque ETags in a row, ETags are ignored for the rest of the load.
import { createHash } from 'node:crypto'
import { Crc64 } from '../../base/checksum/crc64.ts'
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { retry, type RetryPolicy } from '../../base/flow/retry.ts'
import type { StoreCache } from '../../ufs/store-cache.ts'
import type { SetPiece } from '../../wire/generated/job.ts'

const proofsMax = 3
const loadsMax = 100
const leasePolicy: RetryPolicy = { attemptsMax: 10, initialMs: 100, maxMs: 5000 }

/** Tracks whether the ETags of running loads are MD5 sums. */
export class OpaqueEtags {
  /** Opaque ETags in a row, by load. */
  readonly #proofs = new Map<string, number>()

  /** Whether ETags of this load still count as MD5 sums. */
  areMd5(loadId: string): boolean {
    return (this.#proofs.get(loadId) ?? 0) < proofsMax
  }

  /**
   * Records an opaque ETag.
   * @returns whether ETags of this load are ignored from now on
   */
  proven(loadId: string): boolean {
    const proofs = (this.#proofs.get(loadId) ?? 0) + 1
    this.#proofs.delete(loadId)
    this.#proofs.set(loadId, proofs)
    for (const [oldest] of this.#proofs) if (this.#proofs.size > loadsMax) this.#proofs.delete(oldest)
    return proofs === proofsMax
  }

  /** Records an ETag that is an MD5 sum. */
  refuted(loadId: string): void {
    this.#proofs.delete(loadId)
  }
}

/** Result of reading an object whose cached file does not match its ETag. */
export interface StoreVerdict {
  readonly isEtagMd5: boolean
  /** In the format of `Crc64`. */
  readonly crc64: string
}

/**
 * Reads this version of the object once.
 * @throws SkeinError the store's error, or the signal's reason
 */
export async function askStore(
  namespaceId: string,
  { key, etag, length }: Pick<SetPiece, 'key' | 'etag' | 'length'>,
  deps: { readonly stores: Pick<StoreCache, 'lease'>; readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<StoreVerdict> {
  const { stores, clock, random } = deps
  const lease = await retry(() => stores.lease(namespaceId), { policy: leasePolicy, clock, random, signal })
  try {
    const md5 = createHash('md5')
    const crc64 = new Crc64()
    for await (const chunk of lease.store.read({ key, etag, offset: 0, length, objectLength: length }, signal)) {
      throwIfAborted(signal)
      md5.update(chunk)
      crc64.update(chunk)
      onBytes(chunk.length)
    }
    return { isEtagMd5: md5.digest('hex') === etag, crc64: crc64.digest() }
  } finally {
    await lease.release()
  }
}
