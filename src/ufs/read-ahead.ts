// Why: one connection rarely fills a link, and a reader that waits for each range wastes the time
// in between. How: ordered ranges, several in flight, under one byte budget and one pool of slots
// that all streams of the process share. It cannot deadlock: a stream waits (in line) only for the
// one range that its reader needs, and starts further ranges only while the budget has free bytes.
// A range reserves its bytes before it takes a slot, so the holder of a slot waits for no other
// resource.
import { abortReason } from '../base/clock.ts'
import type { Budget, Share } from '../base/flow/budget.ts'
import type { Slots } from '../base/flow/narrowed-budget.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { type Lend, LentShare } from '../base/flow/lent-share.ts'
import type { ReadRequest, UnderFileSystem } from './under-file-system.ts'
import { type ByteRange, nextStep, rangeFrom, type ReadWindow } from './read-window.ts'

export interface ReadAheadOptions {
  /**
   * Bytes of one range request (fs.cosn.read.ahead.block.size). Read for each range: it may change.
   */
  readonly rangeBytes: number
  /** Ranges a stream may hold or have in flight (fs.cosn.read.ahead.queue.size). */
  readonly rangesAhead: number
  /** Range requests in flight in this process (fs.cosn.upload_thread_pool). */
  readonly slots: Slots
  /** Bytes in this process that are in flight, or read and not yet consumed. */
  readonly bytes: Budget
  /**
   * A rate limit. Each range takes its bytes from it before it reserves anything. Undefined: no
   * limit.
   */
  readonly pace?: {
    tryTake(bytes: number): boolean
    /** @throws the signal's reason */
    take(bytes: number, signal: AbortSignal): Promise<void>
  }
}

/**
 * The fraction of the byte budget that read-ahead must leave free. It is for ranges that a reader
 * is waiting for, so slow stores cannot block the readers of other stores.
 */
const keptForNeed = 1 / 4

/** Bytes that a range read ahead must leave free. Even a small budget holds two ranges. */
function keptFree(capacity: number, rangeBytes: number): number {
  return Math.max(0, Math.min(capacity * keptForNeed, capacity - 2 * rangeBytes))
}

/**
 * Yields exactly `request.length` bytes in order, as chunks. When the loop ends early, or on an
 * error, all ranges are cancelled and all slots and bytes are released. The last yielded chunk is
 * no longer counted in the budget once the next range begins.
 * @throws the errors of `store.read`, and the signal's reason
 */
export async function* readAhead(
  store: Pick<UnderFileSystem, 'read' | 'readWhole'>,
  request: ReadRequest,
  options: ReadAheadOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const window: ReadWindow = { end: request.offset + request.length, rangesAhead: options.rangesAhead }
  const leave = new AbortController()
  const onAbort = (): void => leave.abort(abortReason(signal))
  if (signal.aborted) throw abortReason(signal)
  signal.addEventListener('abort', onAbort, { once: true })
  const held: RangeInFlight[] = []
  const running: Promise<void>[] = []
  /** Where the next range begins. */
  let next = request.offset
  const begin = (part: ByteRange, share: Share): void => {
    const range = new RangeInFlight(share)
    held.push(range)
    running.push(fill(store, request, part, range, options.slots, leave.signal))
    next += part.length
  }
  const lookAhead = (): void => {
    while (nextStep(window, next, held.length) === 'may') {
      const part = rangeFrom(window, next, options.rangeBytes)
      const { length } = part
      const share = options.bytes.tryAcquire(length, keptFree(options.bytes.capacity, length))
      if (share === undefined) return
      if (options.pace?.tryTake(length) === false) {
        share.release()
        return
      }
      begin(part, share)
    }
  }
  try {
    while (held.length > 0 || nextStep(window, next, 0) === 'must') {
      if (nextStep(window, next, held.length) === 'must') {
        const part = rangeFrom(window, next, options.rangeBytes)
        const { length } = part
        // Wait for the rate limit first: a waiting stream must not hold bytes that others need.
        await options.pace?.take(length, leave.signal)
        begin(part, await options.bytes.acquire(length, leave.signal))
      }
      lookAhead()
      const [head] = held
      if (head === undefined) return
      for (let chunk = await head.next(); chunk !== undefined; chunk = await head.next()) {
        yield chunk
        lookAhead()
      }
      head.release()
      held.shift()
      void running.shift()
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    leave.abort(new SkeinError('cancelled', 'the reader left'))
    await Promise.all(running)
    for (const range of held) range.release()
  }
}

/** Lends the slot of a request, and what its caller lends. */
export function lending({ lend: lendSlot }: LentShare, more: Lend | undefined): Lend {
  return more === undefined ? lendSlot : (wait) => more(() => lendSlot(wait))
}

/** Reads one range. Never rejects: the range holds the error. */
async function fill(
  store: Pick<UnderFileSystem, 'read' | 'readWhole'>,
  request: ReadRequest,
  { offset, length }: ByteRange,
  range: RangeInFlight,
  slots: Slots,
  signal: AbortSignal,
): Promise<void> {
  let slot: LentShare | undefined
  try {
    slot = new LentShare(slots, 1, slots.tryAcquire(1) ?? (await slots.acquire(1, signal)), signal)
    const lend = lending(slot, request.lend)
    // One answer says as much of the object as all of them.
    const onMetadata = offset === request.offset ? request.onMetadata : undefined
    for await (const chunk of store.read({ ...request, offset, length, lend, onMetadata }, signal)) range.add(chunk)
    range.finish(undefined)
  } catch (thrown) {
    range.finish(toSkeinError(thrown))
  } finally {
    slot?.release()
  }
}

/** The bytes of one range, as they arrive. */
class RangeInFlight {
  readonly #share: Share
  #chunks: Uint8Array[] = []
  #taken = 0
  #finished = false
  #error: SkeinError | undefined
  #wake: (() => void) | undefined

  constructor(share: Share) {
    this.#share = share
  }

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.#wakeUp()
  }

  finish(error: SkeinError | undefined): void {
    this.#finished = true
    this.#error = error
    this.#wakeUp()
  }

  /** The next chunk; undefined at the end. @throws the range's error, after all its chunks */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks[this.#taken]
      if (chunk !== undefined) {
        this.#taken += 1
        if (this.#taken === this.#chunks.length) {
          this.#chunks = []
          this.#taken = 0
        }
        return chunk
      }
      if (this.#error !== undefined) throw this.#error
      if (this.#finished) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  release(): void {
    this.#chunks = []
    this.#share.release()
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
