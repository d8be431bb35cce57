// Why: settings for reads depend on the store as this worker sees it: its network, its secrets, its
// proxy. How: one short step of a measurement. HEADs one after the other; one byte on each
// connection, so that opening them is not measured; then ranges, `connections` at a time, whose
// bytes are dropped. The caller (the command line) chooses the steps. Reads of this worker go on
// meanwhile with their own slots. A step ends at its first bound, and when the store asks to slow
// down: the request of somebody who only measures must not take the store from others.
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { internalKeyPrefix, isHiddenKey, keyProblem } from '../../base/paths.ts'
import { isRefusal, type OpenStore, StoreCache } from '../../ufs/store-cache.ts'
import type { ReadRequest, UnderFileSystem } from '../../ufs/under-file-system.ts'
import type { ProbeObject, ProbeStoreRequest, ProbeStoreResponse } from '../../wire/generated/worker.ts'

const samplesMax = 1000
const failedMax = 10
/** Single SlowDown answers come from busy stores, too; more than this share is a limit. */
const slowShareMax = 0.02
const slowDownsAlways = 2
const lookEveryMs = 25
const storeRenewPauseMs = 10_000

export interface StoreProbeDependencies {
  readonly openStore: OpenStore
  readonly clock: Clock
}

/** Why a step ended. */
type End = 'ranges' | 'time' | 'bytes' | 'requests' | 'slow_down' | 'failures'

/** Runs steps, one after the other. Its connections stay open between two steps. */
export class StoreProbe {
  readonly #clock: Clock
  readonly #stores: StoreCache

  constructor({ openStore, clock }: StoreProbeDependencies) {
    this.#clock = clock
    this.#stores = new StoreCache({ openStore, clock, idleStoresMax: 1, renewPauseMs: storeRenewPauseMs })
  }

  /**
   * @param request within the limits of wire/limits/worker-limits.ts
   * @throws SkeinError invalid_argument (a key that no object has), the signal's reason, and final
   *   errors of the store, such as permission_denied
   */
  async run(request: ProbeStoreRequest, signal: AbortSignal): Promise<ProbeStoreResponse> {
    throwIfAborted(signal)
    for (const { key } of request.objects) {
      const problem = problemOfKey(key)
      if (problem !== undefined) throw new SkeinError('invalid_argument', `the object cannot be read: ${problem}`)
    }
    const lease = await this.#stores.lease(request.namespaceId)
    try {
      const run = (): Promise<ProbeStoreResponse> => new Step(lease.store, request, this.#clock, signal).run()
      try {
        return await run()
      } catch (thrown) {
        const error = toSkeinError(thrown)
        if (!isRefusal(error) || signal.aborted || !(await lease.renew())) throw error
        return await run()
      }
    } finally {
      await lease.release()
    }
  }

  async close(): Promise<void> {
    await this.#stores.close()
  }
}

class Step {
  readonly #store: UnderFileSystem
  readonly #request: ProbeStoreRequest
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #ending = new AbortController()
  readonly #untilMs: number
  #slowDownsBefore = 0
  #requestsBefore = 0
  readonly #headMs: number[] = []
  readonly #firstByteMs: number[] = []
  #heads = 0
  #begun = 0
  #askedBytes = 0
  #bytes = 0
  #beganMs = 0
  #busy: { readonly ms: number; readonly bytes: number } | undefined
  #ranges = 0
  #failed = 0
  #problem = ''
  #end: End | undefined

  constructor(store: UnderFileSystem, request: ProbeStoreRequest, clock: Clock, signal: AbortSignal) {
    this.#store = store
    this.#request = request
    this.#clock = clock
    this.#signal = AbortSignal.any([signal, this.#ending.signal])
    this.#untilMs = clock.monotonicMs() + request.msMax
  }

  async run(): Promise<ProbeStoreResponse> {
    const { connections, objects, rangeBytes, firstRange } = this.#request
    const unwatch = this.#watch()
    let elapsedMs = 0
    try {
      if (objects.length > 0) await this.#measureHeads()
      await this.#inParallel(connections, async (index) => {
        const object = objects[index % objects.length]
        if (object !== undefined) await this.#read(rangeOf(object, 0, 1), 'opening')
      })
      const ranges = rangesOf(objects, rangeBytes, firstRange)
      this.#beganMs = this.#clock.monotonicMs()
      await this.#inParallel(connections, () => this.#readAll(ranges))
      elapsedMs = this.#clock.monotonicMs() - this.#beganMs
    } finally {
      unwatch()
    }
    return {
      elapsedMs,
      bytes: this.#bytes,
      ranges: this.#ranges,
      requests: this.#requests,
      slowDowns: this.#slowDowns,
      failed: this.#failed,
      problem: this.#problem,
      headMs: this.#headMs,
      firstByteMs: this.#firstByteMs,
      busyMs: this.#busy?.ms ?? elapsedMs,
      busyBytes: this.#busy?.bytes ?? this.#bytes,
      endedBy: this.#end ?? 'ranges',
    }
  }

  /** When one fails, the others are cancelled. All have ended afterwards. */
  async #inParallel(count: number, run: (index: number) => Promise<void>): Promise<void> {
    const ended = await Promise.allSettled(
      Array.from({ length: count }, async (_, index) => {
        await run(index).catch((thrown: unknown) => {
          this.#ending.abort()
          throw thrown
        })
      }),
    )
    for (const one of ended) if (one.status === 'rejected') throw one.reason
  }

  get #slowDowns(): number {
    return (this.#store.slowDowns ?? 0) - this.#slowDownsBefore
  }

  /** Other readers of this worker may share the counter, so it is never below what was begun. */
  get #requests(): number {
    return this.#heads + Math.max(this.#begun, this.#store.counters.readRequests - this.#requestsBefore)
  }

  /** Ends the step. What is in flight is cancelled, except where all ranges were begun. */
  #stop(end: End): void {
    this.#end ??= end
    this.#busy ??= { ms: this.#clock.monotonicMs() - this.#beganMs, bytes: this.#bytes }
    if (end === 'time' || end === 'slow_down' || end === 'failures') this.#ending.abort()
  }

  /** Requests that wait for a slow store do not come back to tell. */
  #watch(): () => void {
    let cancel = (): void => undefined
    const look = (): void => {
      if (this.#clock.monotonicMs() >= this.#untilMs) this.#stop('time')
      else if (this.#slowDowns > Math.max(slowDownsAlways, this.#requests * slowShareMax)) this.#stop('slow_down')
      else cancel = this.#clock.schedule(lookEveryMs, look)
    }
    cancel = this.#clock.schedule(lookEveryMs, look)
    return () => cancel()
  }

  /**
   * The first HEAD opens the connection and is not measured. The counters are those of all readers
   * of this worker, and are known after the first request.
   */
  async #measureHeads(): Promise<void> {
    const { objects, heads } = this.#request
    this.#heads += 1
    await this.#store.stat(objects[0]?.key ?? '', this.#signal).catch((thrown: unknown) => this.#fail(thrown))
    this.#slowDownsBefore = this.#store.slowDowns ?? 0
    this.#requestsBefore = this.#store.counters.readRequests
    for (let index = 0; index < heads && this.#end === undefined; index += 1) {
      const key = objects[index % objects.length]?.key ?? ''
      const beganMs = this.#clock.monotonicMs()
      this.#heads += 1
      try {
        await this.#store.stat(key, this.#signal)
        this.#headMs.push(this.#clock.monotonicMs() - beganMs)
      } catch (thrown) {
        this.#fail(thrown)
      }
    }
  }

  async #readAll(ranges: Iterator<ReadRequest, undefined, undefined>): Promise<void> {
    const { bytesMax, requestsMax } = this.#request
    while (this.#end === undefined) {
      const next = ranges.next()
      if (next.done === true) this.#stop('ranges')
      else if (this.#clock.monotonicMs() >= this.#untilMs) this.#stop('time')
      else if (this.#askedBytes + next.value.length > bytesMax) this.#stop('bytes')
      else if (this.#requests >= requestsMax) this.#stop('requests')
      else await this.#read(next.value, 'range')
    }
  }

  async #read(request: ReadRequest, what: 'opening' | 'range'): Promise<void> {
    if (this.#end !== undefined) return
    this.#begun += 1
    this.#askedBytes += request.length
    const beganMs = this.#clock.monotonicMs()
    let firstMs: number | undefined
    const answered = (): void => {
      firstMs ??= this.#clock.monotonicMs() - beganMs
    }
    try {
      for await (const chunk of this.#store.read({ ...request, onMetadata: answered }, this.#signal)) {
        answered()
        if (what === 'range') this.#bytes += chunk.length
      }
      if (what === 'opening') return
      this.#ranges += 1
      if (firstMs !== undefined && this.#firstByteMs.length < samplesMax) this.#firstByteMs.push(firstMs)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** An object may be gone or have changed since it was listed. Other refusals are final. */
  #fail(thrown: unknown): void {
    if (this.#ending.signal.aborted) return
    const error = toSkeinError(thrown)
    const isOfObject = error.code === 'not_found' || error.code === 'aborted'
    if (this.#signal.aborted || !(error.retryable || isOfObject)) throw error
    this.#failed += 1
    this.#problem = error.message
    if (this.#failed >= failedMax) this.#stop('failures')
  }
}

function problemOfKey(key: string): string | undefined {
  if (key === '') return 'its key is empty'
  return isHiddenKey(key) ? `keys below ${internalKeyPrefix} are not at the store` : keyProblem(key)
}

/** All ranges of the objects, in order, without the first `skip`. */
function* rangesOf(
  objects: readonly ProbeObject[],
  rangeBytes: number,
  skip: number,
): Generator<ReadRequest, undefined, undefined> {
  let left = skip
  for (const object of objects) {
    const count = Math.ceil(object.length / rangeBytes)
    if (left >= count) {
      left -= count
      continue
    }
    for (let index = left; index < count; index += 1) yield rangeOf(object, index * rangeBytes, rangeBytes)
    left = 0
  }
}

function rangeOf({ key, etag, length: objectLength }: ProbeObject, offset: number, bytes: number): ReadRequest {
  return { key, etag, objectLength, offset, length: Math.min(bytes, objectLength - offset) }
}
