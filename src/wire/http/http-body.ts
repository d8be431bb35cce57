// Why: a body is whole or an error, on whichever side it is read or written. How: every body's
// length is known before it starts, and is counted; waits for the peer go through an IdleWatch,
// waits for our own side do not.
import type { Readable, Writable } from 'node:stream'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { IdleWatch } from './idle-watch.ts'

/**
 * Exactly `length` bytes of a stream; `begin` is called when the first are asked for. Leaving it
 * early leaves the stream open.
 * @throws SkeinError unavailable (`body_cut`) when it ends early, invalid_argument when it goes on,
 *   or what the stream was destroyed with
 */
export async function* exactBody(
  stream: Readable,
  length: number,
  watch: IdleWatch,
  begin: () => void,
): AsyncGenerator<Uint8Array> {
  begin()
  let got = 0
  watch.begin()
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      watch.end()
      watch.moved((chunk as Buffer).length)
      got += (chunk as Buffer).length
      if (got > length) throw new SkeinError('invalid_argument', `a body of ${length} bytes is longer than that`)
      yield chunk as Buffer
      watch.begin()
    }
  } catch (thrown) {
    throw bodyError(thrown, got, length)
  } finally {
    watch.end()
  }
  if (got !== length) throw cutBody(got, length)
}

/**
 * The whole of a short body in one buffer. Errors as exactBody. Where more comes than `freeBytes`,
 * `admit` is waited for before the buffer is made: until then the peer has shown nothing but a
 * number.
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
 * Resolves when the peer's system has all of an answer that was ended. @throws SkeinError
 * unavailable when the peer closed before
 */
export function wasTaken(response: Writable, watch: IdleWatch): Promise<void> {
  if (response.writableFinished) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const onClose = (): void => {
      watch.end()
      reject(
        new SkeinError('unavailable', 'the peer closed the connection before it had its answer', {
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
 * Writes exactly `length` bytes and waits whenever the peer is slower. Does not end the stream.
 * `sent` is told of each chunk whose bytes the system has.
 * @throws SkeinError internal when the chunks add up to something else, unavailable when the peer
 *   closed, or the chunks' own error
 */
export async function writeBody(
  stream: Writable,
  chunks: AsyncIterable<Uint8Array>,
  length: number,
  watch: IdleWatch,
  sent: (chunk: Uint8Array) => void = () => undefined,
): Promise<void> {
  let written = 0
  for await (const chunk of chunks) {
    written += chunk.length
    if (written > length) break
    watch.moved(chunk.length)
    const onWritten = (error: Error | null | undefined): void => {
      if (error === null || error === undefined) sent(chunk)
    }
    if (!stream.write(chunk, onWritten)) await drained(stream, watch)
  }
  if (written !== length) throw new SkeinError('internal', `a body of ${length} bytes came out as ${written}`)
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
