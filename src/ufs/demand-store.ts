// Why: read-ahead must know whether a reader is waiting for this store (base/flow/demand-gauge.ts).
// How: a wrapper that reports each wait for bytes to the gauge. A reader that pauses between two
// chunks is not waiting.
import type { DemandGauge } from '../base/flow/demand-gauge.ts'
import { type Lend, waited } from '../base/flow/lent-share.ts'
import type { OpenStore } from './store-cache.ts'
import type { ReadRequest, UnderFileSystem } from './under-file-system.ts'

/** Opens stores whose reads count as demand. */
export function demandStores(openStore: OpenStore, demand: DemandGauge): OpenStore {
  return async (namespaceId, signal) => demandStore(await openStore(namespaceId, signal), namespaceId, demand)
}

interface Counting {
  readonly waiting: <T>(wait: () => Promise<T>) => Promise<T>
  readonly lend: Lend
}

function demandStore(store: UnderFileSystem, namespaceId: string, demand: DemandGauge): UnderFileSystem {
  /** Counts a wait for bytes, but for the time in which nothing is asked of the store. */
  const counting = ({ lend = waited }: ReadRequest): Counting => {
    let read: ReturnType<DemandGauge['begin']> | undefined
    return {
      waiting: async (wait) => {
        read = demand.begin(namespaceId)
        try {
          return await wait()
        } finally {
          read?.end()
          read = undefined
        }
      },
      lend: async (wait) => {
        const wasCounted = read !== undefined
        read?.end()
        read = undefined
        await lend(wait)
        if (wasCounted) read = demand.begin(namespaceId)
      },
    }
  }
  return {
    read: async function* read(request: ReadRequest, signal: AbortSignal) {
      const { waiting, lend } = counting(request)
      const chunks = store.read({ ...request, lend }, signal)[Symbol.asyncIterator]()
      try {
        for (;;) {
          const next = await waiting(() => chunks.next())
          if (next.done === true) return
          yield next.value
        }
      } finally {
        await chunks.return?.()
      }
    },
    readWhole: (request, signal) => {
      const { waiting, lend } = counting(request)
      return waiting(() => store.readWhole({ ...request, lend }, signal))
    },
    check: (signal) => store.check(signal),
    stat: (key, signal) => store.stat(key, signal),
    list: (request, signal) => store.list(request, signal),
    write: (key, length, chunks, options, signal) => store.write(key, length, chunks, options, signal),
    beginUpload: (key, options, signal) => store.beginUpload(key, options, signal),
    delete: (key, signal, etag) => store.delete(key, signal, etag),
    copy: (from, to, signal) => store.copy(from, to, signal),
    rename: (from, to, etag, signal) => store.rename(from, to, etag, signal),
    renameOver: (from, to, versions, signal) => store.renameOver(from, to, versions, signal),
    close: () => store.close(),
    get readAhead() {
      return store.readAhead
    },
    get gate() {
      return store.gate
    },
    get slowDowns() {
      return store.slowDowns ?? 0
    },
    get counters() {
      return store.counters
    },
  }
}
