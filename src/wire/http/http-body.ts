// Why: a body is complete or an error, for readers and writers. How: the length of every body is
// known in advance and counted. Waits for the peer use an IdleWatch; waits for our own side do not.
import type { Readable, Writable } from 'node:stream'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { IdleWatch } from './idle-watch.ts'
import { chunksOf } from './stream-chunks.ts'

/**
 * Exactly `length` bytes of a stream. `begin` is called when the first bytes are read. Leaving the
 * loop early keeps the stream open.
 * @throws SkeinError unavailable (`body_cut`) when it ends early, invalid_argument when it is
 *   longer, or the error that destroyed the stream
 */
export async function* exactBody(
  stream: Readable,
  length: number,
  watch: IdleWatch,
  begin: () => void,
): AsyncGenerator<Uint8Array> {
  const got = yield* bodyUpTo(stream, length, watch, begin)
  if (got !== length) throw cutBody(got, length)
}

/**
 * All bytes of a stream that may have `lengthMax` at most. After the last one, `announced` must
 * return their number, which came behind them. Otherwise as exactBody.
 */
export async function* openEndedBody(
  stream: Readable,
  lengthMax: number,
  watch: IdleWatch,
  begin: () => void,
  announced: () => number,
): AsyncGenerator<Uint8Array> {
  const got = yield* bodyUpTo(stream, lengthMax, watch, begin)
  if (got !== announced()) throw cutBody(got, announced())
}

/** @returns the number of bytes */
async function* bodyUpTo(
  stream: Readable,
  lengthMax: number,
  watch: IdleWatch,
  begin: () => void,
): AsyncGenerator<Uint8Array, number> {
  begin()
  let got = 0
  watch.begin()
  try {
    for await (const chunk of chunksOf(stream)) {
      watch.end()
      watch.moved(chunk.length)
      got += chunk.length
      if (got > lengthMax) throw new SkeinError('invalid_argument', `the body is longer than its ${lengthMax} bytes`)
      yield chunk
      watch.begin()
    }
  } catch (thrown) {
    throw bodyError(thrown, got, lengthMax)
  } finally {
    watch.end()
  }
  return got
}

/**
 * Reads a short body into one buffer. Errors: see exactBody. If the body has more than `freeBytes`,
 * `admit` is awaited before the buffer is allocated, because until then the peer has only announced
 * a length.
 */
export async function readWhole(
  stream: Readable,
  length: number,
  watch: IdleWatch,
  freeBytes = Number.POSITIVE_INFINITY,
  admit: () => Promise<void> = () => Promise.resolve(),
): Promise<Buffer> {
  let buffer = Buffer.allocUnsafe(Math.min(length, freeBytes))
  let at = 0
  for await (const chunk of exactBody(stream, length, watch, () => undefined)) {
    if (at + chunk.length > buffer.length) {
      await admit()
      const whole = Buffer.allocUnsafe(length)
      whole.set(buffer.subarray(0, at))
      buffer = whole
    }
    buffer.set(chunk, at)
    at += chunk.length
  }
  return buffer
}

/**
 * Resolves when the peer's system has received a complete response.
 * @throws SkeinError unavailable when the peer closed before
 */
export function wasTaken(response: Writable, watch: IdleWatch): Promise<void> {
  if (response.writableFinished) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const onClose = (): void => {
      watch.end()
      reject(
        new SkeinError('unavailable', 'the peer closed the connection before it received the response', {
          reason: 'connection_lost',
        }),
      )
    }
    if (response.destroyed) {
      onClose()
      return
    }
    watch.begin()
    response.once('finish', () => {
      watch.end()
      response.off('close', onClose)
      resolve()
    })
    response.once('close', onClose)
  })
}

/**
 * Writes exactly `length` bytes, with back-pressure. Does not end the stream. `sent` is called for
 * each chunk that the system has taken, `lost` for each that it did not take and will not any more.
 * @throws SkeinError internal when the chunks have another total length, unavailable when the peer
 *   closed, or the error of the chunks
 */
export async function writeBody(
  stream: Writable,
  chunks: AsyncIterable<Uint8Array>,
  length: number,
  watch: IdleWatch,
  sent: (chunk: Uint8Array) => void = () => undefined,
  lost: (chunk: Uint8Array) => void = () => undefined,
): Promise<void> {
  const written = await writeUpTo(stream, chunks, length, watch, sent, lost)
  if (written !== length) throw new SkeinError('internal', `the body has ${written} bytes instead of ${length}`)
}

/** Writes all chunks, with back-pressure, however many bytes they have. Otherwise as writeBody. */
export async function writeOpenEnded(
  stream: Writable,
  chunks: AsyncIterable<Uint8Array>,
  watch: IdleWatch,
): Promise<void> {
  await writeUpTo(
    stream,
    chunks,
    Number.POSITIVE_INFINITY,
    watch,
    () => undefined,
    () => undefined,
  )
}

/** @returns bytes that were written, or more than `lengthMax` when there are more */
async function writeUpTo(
  stream: Writable,
  chunks: AsyncIterable<Uint8Array>,
  lengthMax: number,
  watch: IdleWatch,
  sent: (chunk: Uint8Array) => void,
  lost: (chunk: Uint8Array) => void,
): Promise<number> {
  let written = 0
  for await (const chunk of chunks) {
    written += chunk.length
    if (written > lengthMax) break
    watch.moved(chunk.length)
    const onWritten = (error: Error | null | undefined): void => {
      if (error === null || error === undefined) sent(chunk)
      else lost(chunk)
    }
    if (!stream.write(chunk, onWritten)) await drained(stream, watch)
  }
  return written
}

function drained(stream: Writable, watch: IdleWatch): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      watch.end()
      stream.off('drain', onDrain)
      stream.off('close', onClose)
    }
    const onDrain = (): void => {
      leave()
      resolve()
    }
    const onClose = (): void => {
      leave()
      reject(
        new SkeinError('unavailable', 'the peer closed the connection in the middle of a body', {
          reason: 'connection_lost',
        }),
      )
    }
    if (stream.destroyed) {
      onClose()
      return
    }
    watch.begin()
    stream.on('drain', onDrain)
    stream.on('close', onClose)
  })
}

function bodyError(thrown: unknown, got: number, length: number): SkeinError {
  if (thrown instanceof SkeinError) return thrown
  const { code } = thrown as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'EPIPE'
    ? cutBody(got, length)
    : toSkeinError(thrown)
}

function cutBody(got: number, length: number): SkeinError {
  return new SkeinError('unavailable', `the connection was cut after ${got} of ${length} bytes`, { reason: 'body_cut' })
}
