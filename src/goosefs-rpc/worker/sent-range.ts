// Why: clients take the bytes of a block at their own pace, and some stop for minutes in the middle
// of one. How: one message is under way at a time, for the library copies it when it is given and
// takes no other before; meanwhile the next pieces are read. A stream whose client has stopped
// gives all its pieces back, and begins to read again where it was when the client goes on, so
// those that have stopped do not hold up the others.
import type { Clock } from '../../base/clock.ts'
import { untilAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { FileVersion } from '../../client/open/file-version.ts'
import { targetOf } from '../../client/read/read-target.ts'
import type { FramedPieces } from './framed-pieces.ts'

export interface SentRange {
  /** In the file. */
  readonly offset: number
  readonly length: number
  /** Of data in a message, at most. */
  readonly messageBytes: number
}

export interface RangeParts {
  readonly version: Pick<FileVersion, 'stream' | 'readInto'>
  readonly memory: FramedPieces
  /** Resolves when the message has left; its memory is free when this returns. */
  readonly sendRaw: (message: Uint8Array) => Promise<void>
  readonly clock: Pick<Clock, 'schedule'>
  /**
   * Told how many bytes of the range were sent, before the last message; resolves when more may be
   * sent. Undefined: always.
   */
  readonly mayGoOn?: ((sentBytes: number) => Promise<void>) | undefined
}

/** A client that has taken nothing for so long gives the memory of its stream back. */
const ownStallMs = 1000
/** The same where bytes come from elsewhere, and are begun again with more work. */
const otherStallMs = 10_000

/**
 * Sends exactly the bytes of the range.
 * @throws what the reading throws; the signal's reason
 */
export async function sendRange(parts: RangeParts, range: SentRange, signal: AbortSignal): Promise<void> {
  const { version, memory } = parts
  const { offset, length, messageBytes } = range
  const sending = new Sending(parts, length, signal)
  if (length <= Math.min(messageBytes, memory.pieceBytes)) {
    if (length === 0) return
    const chunk = await memory.take(length, signal)
    await version.readInto({ offset, length }, targetOf(chunk, offset), signal)
    await sending.send(memory.response(chunk, 0, length), length)
    memory.giveBack(chunk)
    return await sending.sent()
  }
  const end = offset + length
  for (let at = offset; at < end;) {
    const before = at
    for await (const chunk of version.stream({ offset: at, length: end - at }, signal, undefined, memory)) {
      const bytes = await sendChunk(parts, sending, chunk, messageBytes, signal)
      at += bytes
      // The client has stopped: the reading ends, and its memory goes back.
      if (bytes < chunk.length) break
    }
    if (at < end && at === before && !sending.isStalled)
      throw new SkeinError('data_loss', `the file ended ${end - at} bytes too early`, { retryable: true })
    await sending.sent()
  }
}

/** @returns the bytes that were sent: fewer than the chunk has when the client has stopped */
async function sendChunk(
  { memory }: RangeParts,
  sending: Sending,
  chunk: Uint8Array,
  messageBytes: number,
  signal: AbortSignal,
): Promise<number> {
  const isOwn = memory.has(chunk)
  try {
    for (let at = 0; at < chunk.length;) {
      if (!(await sending.isReady(isOwn ? ownStallMs : otherStallMs))) return at
      const bytes = Math.min(chunk.length - at, messageBytes, memory.pieceBytes)
      if (isOwn) sending.begin(memory.response(chunk, at, bytes), bytes)
      else {
        const copy = await memory.take(bytes, signal)
        copy.set(chunk.subarray(at, at + bytes))
        sending.begin(memory.response(copy, 0, bytes), bytes)
        memory.giveBack(copy)
      }
      at += bytes
    }
    return chunk.length
  } finally {
    memory.giveBack(chunk)
  }
}

/** The messages of one stream, one under way at a time. */
class Sending {
  readonly #parts: RangeParts
  readonly #signal: AbortSignal
  #underWay: Promise<void> | undefined
  #isStalled = false
  readonly #length: number
  #sentBytes = 0

  constructor(parts: RangeParts, length: number, signal: AbortSignal) {
    this.#parts = parts
    this.#length = length
    this.#signal = signal
  }

  /** Whether the client took nothing for a while, when that was asked last. */
  get isStalled(): boolean {
    return this.#isStalled
  }

  /** Whether the message before has left, within a time. @throws the signal's reason */
  async isReady(ms: number): Promise<boolean> {
    const { clock } = this.#parts
    const underWay = this.#underWay
    this.#isStalled = false
    if (underWay === undefined) return true
    const late = Promise.withResolvers<boolean>()
    const cancel = clock.schedule(ms, () => late.resolve(false))
    try {
      const left = untilAborted(underWay, this.#signal).then(() => true)
      const isReady = await Promise.race([left, late.promise])
      // The signal may abort later, when somebody else waits for it.
      left.catch(() => undefined)
      if (isReady) this.#underWay = undefined
      this.#isStalled = !isReady
      return isReady
    } finally {
      cancel()
    }
  }

  /** Begins to send, when the message before has left. Its memory is free when this returns. */
  begin(message: Uint8Array, bytes: number): void {
    const { sendRaw, mayGoOn } = this.#parts
    this.#sentBytes += bytes
    const left = sendRaw(message)
    const isLast = this.#sentBytes >= this.#length
    const sent =
      mayGoOn === undefined || isLast ? left : Promise.all([left, mayGoOn(this.#sentBytes)]).then(() => undefined)
    sent.catch(() => undefined)
    this.#underWay = sent
  }

  async send(message: Uint8Array, bytes: number): Promise<void> {
    await this.sent()
    this.begin(message, bytes)
  }

  /** Until the last message has left. @throws the signal's reason */
  async sent(): Promise<void> {
    const underWay = this.#underWay
    if (underWay === undefined) return
    await untilAborted(underWay, this.#signal)
    if (this.#underWay === underWay) this.#underWay = undefined
  }
}
