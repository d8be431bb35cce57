// Why: the iterator of a Readable joins all that has come in to a new buffer, which copies every
// byte of a body once more. How: chunks are taken as they come, and wait in a short queue; while it
// is full, the stream is paused.
import { finished, type Readable } from 'node:stream'

/** The stream has a buffer of its own (highWaterMark). */
const queuedBytesMax = 128 * 1024

/**
 * Yields the chunks of a stream as it emits them. Leaving the loop early keeps the stream open and
 * paused; chunks that wait in the queue are dropped.
 * @throws the error that destroyed the stream; ERR_STREAM_PREMATURE_CLOSE when it closed before
 *   its end
 */
export async function* chunksOf(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  let queue: Buffer[] = []
  let queuedBytes = 0
  let end: { readonly error: unknown } | undefined
  let wake: () => void = () => undefined
  const onData = (chunk: Buffer): void => {
    queue.push(chunk)
    queuedBytes += chunk.length
    if (queuedBytes >= queuedBytesMax) stream.pause()
    wake()
  }
  const unlisten = finished(stream, { writable: false }, (error) => {
    end = { error }
    wake()
  })
  stream.on('data', onData)
  try {
    for (;;) {
      if (end?.error !== undefined && end.error !== null) throw end.error
      if (queue.length > 0) {
        const chunks = queue
        queue = []
        queuedBytes = 0
        for (const chunk of chunks) yield chunk
        continue
      }
      if (end !== undefined) return
      const woken = new Promise<void>((resolve) => (wake = resolve))
      stream.resume()
      await woken
      wake = () => undefined
    }
  } finally {
    unlisten()
    stream.off('data', onData)
    stream.pause()
  }
}
