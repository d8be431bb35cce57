// Why: a worker reads from a store for its clients, and a client reads by itself when no worker is
// left; both must return exactly the bytes of one version. How: the store is leased for the read.
// Each range is read ahead within given slots and memory, and checked against the version. A store
// that rejects our credentials is reopened once, and the read continues after the last byte.
import { throwIfAborted } from '../base/clock.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { isUnproven, readInOneAnswer } from './s3/one-answer.ts'
import { readAhead, type ReadAheadOptions } from './read-ahead.ts'
import { isRefusal, type StoreCache, type StoreLease } from './store-cache.ts'

/** A range of one version of an object. */
export interface LeasedReadRequest {
  readonly namespaceId: string
  readonly key: string
  readonly etag: string
  readonly offset: number
  readonly length: number
}

/**
 * Yields exactly the bytes of the range.
 * @throws SkeinError what the store throws (under-file-system.ts), and data_loss when it returns
 *   another number of bytes
 */
export async function* leasedRead(
  stores: StoreCache,
  resources: ReadAheadOptions,
  request: LeasedReadRequest,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const lease = await stores.lease(request.namespaceId)
  try {
    throwIfAborted(signal)
    yield* read(lease, resources, request, signal)
  } finally {
    await lease.release()
  }
}

async function* read(
  lease: StoreLease,
  resources: ReadAheadOptions,
  { key, etag, offset, length }: LeasedReadRequest,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let got = 0
  let renewed = false
  let unproven: SkeinError | undefined
  for (;;) {
    try {
      const rest = { key, etag, offset: offset + got, length: length - got }
      const options = { ...resources, ...lease.store.readAhead }
      const chunks =
        unproven === undefined
          ? readAhead(lease.store, rest, options, signal)
          : readInOneAnswer(lease.store, rest, options, signal)
      for await (const chunk of chunks) {
        got += chunk.length
        if (got > length) break
        yield chunk
      }
      if (got === length) return
      throw new SkeinError('data_loss', `the store returned ${got} instead of ${length} bytes of ${key}`, {
        retryable: true,
      })
    } catch (thrown) {
      const error = toSkeinError(thrown)
      // If no response names its version, one response may still deliver a whole object. Parts of
      // an object are refused again.
      if (unproven === undefined && isUnproven(error) && offset + got === 0) {
        unproven = error
        continue
      }
      if (unproven !== undefined && error.reason === 'object_changed') throw unproven
      if (unproven !== undefined && got > 0) throw error
      if (renewed || !isRefusal(error) || signal.aborted || !(await lease.renew())) throw error
      renewed = true
    }
  }
}
