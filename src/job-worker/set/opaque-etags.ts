// Why: an ETag of 32 hex digits is the MD5 of the content, unless the store encrypts with keys of
// its own or the customer's; there every file would differ from it, be loaded anew, and differ
// again, for ever. How: where a cached file differs from its ETag the store's own bytes are read
// and held against both. An ETag that not even they match is opaque, and says nothing. After a few
// such proofs in a row the ETags of the namespace are not asked any more for the rest of the load.
import { createHash } from 'node:crypto'
import { Crc64 } from '../../base/crc64.ts'
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { retry, type RetryPolicy } from '../../base/flow/retry.ts'
import type { StoreCache } from '../../ufs/store-cache.ts'
import type { SetPiece } from '../../wire/generated/job.ts'

const proofsMax = 3
const loadsMax = 100
const leasePolicy: RetryPolicy = { attemptsMax: 10, initialMs: 100, maxMs: 5000 }

/** What job workers know of the ETags of the loads that they work on. */
export class OpaqueEtags {
  /** Proofs in a row, by load. */
  readonly #proofs = new Map<string, number>()

  /** Whether the load's ETags are still to be taken for MD5s. */
  areMd5(loadId: string): boolean {
    return (this.#proofs.get(loadId) ?? 0) < proofsMax
  }

  /** @returns whether it is the last proof that was needed */
  proven(loadId: string): boolean {
    const proofs = (this.#proofs.get(loadId) ?? 0) + 1
    this.#proofs.delete(loadId)
    this.#proofs.set(loadId, proofs)
    for (const [oldest] of this.#proofs) if (this.#proofs.size > loadsMax) this.#proofs.delete(oldest)
    return proofs === proofsMax
  }

  /** An ETag was an MD5. */
  refuted(loadId: string): void {
    this.#proofs.delete(loadId)
  }
}

/** What the store's own bytes say of a file that is cached and differs from its ETag. */
export interface StoreVerdict {
  readonly isEtagMd5: boolean
  /** As `Crc64` gives it. */
  readonly crc64: string
}

/**
 * Reads the object once, as this version. @throws SkeinError that of the store, or the signal's
 * reason
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
