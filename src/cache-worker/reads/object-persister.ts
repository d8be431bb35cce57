// Why: files written to the cache are persisted as objects, and a worker that holds their blocks
// uploads them. How: the blocks are written in order as one object to the store of the namespace.
// The master decides whether an existing object may be replaced. A repeated call, whose first
// answer was lost, finds the object in the store and compares it byte by byte with the blocks. If
// they are equal, the call succeeds and nothing changes.
import { storedMetadata } from '../../base/attributes/object-metadata.ts'
import { Budget } from '../../base/flow/budget.ts'
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { keyProblem } from '../../base/paths.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { isOtherDefinition } from '../../ufs/following-store.ts'
import { isRefusal, type OpenStore, StoreCache } from '../../ufs/store-cache.ts'
import type { ObjectInfo, UnderFileSystem } from '../../ufs/under-file-system.ts'
import { type PersistFileRequest, PersistServiceDefinition } from '../../wire/generated/lifecycle.ts'
import { limited } from '../../wire/limits/all-limits.ts'
import type { Service } from '../../wire/service.ts'
import type { PreparedUploads } from '../uploads/prepared-uploads.ts'
import { type CachedFileSources, checkCachedFile, readCachedFile } from './cached-file.ts'

export interface PersistLimits {
  /** Files uploaded at once. Each holds a few parts of 16 MiB in memory. */
  readonly filesAtOnce: number
  /** Unused stores that are kept open. */
  readonly idleStoresMax: number
  /** Minimum time between two attempts to reopen a store that rejects our credentials. */
  readonly storeRenewPauseMs: number
}

export const defaultPersistLimits: PersistLimits = { filesAtOnce: 4, idleStoresMax: 4, storeRenewPauseMs: 10_000 }

export interface PersistServiceDependencies extends CachedFileSources {
  readonly openStore: OpenStore
  /** From now on the store of the namespace must use this definition or a newer one. */
  readonly requireDefinition?: ((namespaceId: string, version: number) => void) | undefined
  /** Objects whose bytes are at the store already. */
  readonly uploads: Pick<PreparedUploads, 'finish' | 'abandon'>
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Partial<PersistLimits> | undefined
}

export interface PersistServiceParts {
  /**
   * PersistFile throws what the store throws (ufs/under-file-system.ts), already_exists when there
   * is another object that may not be replaced, invalid_argument, and the error of the last replica
   * of a block.
   */
  readonly service: Service<PersistServiceDefinition>
  /** Stores in use are closed when the last write to them ends. */
  close(): Promise<void>
}

export function createPersistService(deps: PersistServiceDependencies): PersistServiceParts {
  const { filesAtOnce, idleStoresMax, storeRenewPauseMs } = { ...defaultPersistLimits, ...deps.limits }
  const stores = new StoreCache({
    openStore: deps.openStore,
    clock: deps.clock,
    idleStoresMax,
    renewPauseMs: storeRenewPauseMs,
  })
  const slots = new Budget('files being persisted', filesAtOnce)
  return {
    service: limited(PersistServiceDefinition, {
      persistFile: async (request, { signal }) => {
        throwIfAborted(signal)
        const problem = keyProblem(request.key)
        if (problem !== undefined || request.key === '') {
          throw new SkeinError('invalid_argument', `the object cannot be written: ${problem ?? 'its key is empty'}`)
        }
        checkCachedFile(request)
        const slot = await slots.acquire(1, signal)
        try {
          deps.requireDefinition?.(request.namespaceId, request.namespaceVersion ?? 0)
          const { etag, modifiedMs } = await persist(stores, deps, request, signal)
          deps.logger.debug('a file was persisted', {
            namespaceId: request.namespaceId,
            key: request.key,
            bytes: request.length,
          })
          return { etag, modifiedMs }
        } finally {
          slot.release()
        }
      },
      finishUpload: (request, { signal }) => deps.uploads.finish(request, signal),
      abandonUpload: async ({ fileId }) => {
        await deps.uploads.abandon(fileId)
        return {}
      },
    }),
    close: () => stores.close(),
  }
}

async function persist(
  stores: StoreCache,
  sources: CachedFileSources,
  request: PersistFileRequest,
  signal: AbortSignal,
): Promise<ObjectInfo> {
  const lease = await stores.lease(request.namespaceId)
  try {
    for (let renewed = false; ;) {
      try {
        return await writeOnce(lease.store, sources, request, signal)
      } catch (thrown) {
        const error = toSkeinError(thrown)
        if (isOtherDefinition(error) && !signal.aborted) continue
        if (renewed || !isRefusal(error) || signal.aborted || !(await lease.renew())) throw error
        renewed = true
      }
    }
  } finally {
    await lease.release()
  }
}

async function writeOnce(
  store: UnderFileSystem,
  sources: CachedFileSources,
  request: PersistFileRequest,
  signal: AbortSignal,
): Promise<ObjectInfo> {
  const { key, length, overwrite, replacedEtag: replaces } = request
  const metadata = storedMetadata({ ...request, userMetadata: request.userMetadata?.values })
  try {
    const chunks = readCachedFile(request, sources, signal)
    return await store.write(key, length, chunks, { overwrite, replaces, metadata }, signal)
  } catch (thrown) {
    const isTheirs = isSkeinError(thrown, 'already_exists') || isSkeinError(thrown, 'aborted', 'object_changed')
    if (!isTheirs) throw thrown
    const found = await store.stat(key, signal)
    if (found.length !== length) throw keptError(key, thrown)
    const theirs = store.read({ key, etag: found.etag, offset: 0, length, objectLength: length }, signal)
    if (!(await sameBytes(theirs, readCachedFile(request, sources, signal)))) throw keptError(key, thrown)
    return found
  }
}

/** What another client wrote at the store stays there. */
function keptError(key: string, thrown: SkeinError): SkeinError {
  if (thrown.code === 'already_exists') return thrown
  const message =
    `another client changed ${JSON.stringify(key)} at the store since it was overwritten here: ` +
    'the object there stays; move the file here to another name to keep both'
  return new SkeinError(thrown.code, message, { reason: thrown.reason, retryable: false, cause: thrown })
}

/** Whether two sequences of chunks contain the same bytes. Stops at the first difference. */
async function sameBytes(a: AsyncIterable<Uint8Array>, b: AsyncIterable<Uint8Array>): Promise<boolean> {
  const other = b[Symbol.asyncIterator]()
  let rest: Uint8Array = Buffer.alloc(0)
  try {
    for await (const chunk of a) {
      for (let at = 0; at < chunk.length;) {
        while (rest.length === 0) {
          const step = await other.next()
          if (step.done === true) return false
          rest = step.value
        }
        const bytes = Math.min(rest.length, chunk.length - at)
        if (Buffer.compare(chunk.subarray(at, at + bytes), rest.subarray(0, bytes)) !== 0) return false
        rest = rest.subarray(bytes)
        at += bytes
      }
    }
    for (; rest.length === 0;) {
      const step = await other.next()
      if (step.done === true) return true
      rest = step.value
    }
    return false
  } finally {
    await other.return?.()
  }
}
