// Why: protocols of others have calls of several messages, and metadata that says who calls. How:
// every method is served as a stream in both directions, because on the wire a call of one message
// is a stream of one. What the library calls a stream is known here by its shape only (grpc.ts
// imports it). A sender waits until the peer takes its bytes.
import { setImmediate } from 'node:timers/promises'
import { throwIfAborted, untilAborted } from '../../base/clock.ts'
import { freeAtOnce } from '../../base/flow/free-memory.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { errorToJson, statusTable } from '../status.ts'

/** A call as its handler sees it. */
export interface StreamCall {
  /** Messages of the caller, in order, to its last. Throws the signal's reason. */
  readonly requests: AsyncIterable<Uint8Array>
  /** Aborts when the caller ends the call before it is answered, and when the server stops. */
  readonly signal: AbortSignal
  /** The first value of the metadata of this name; undefined: none. */
  metadata(name: string): string | undefined
  /** Sends the headers of the answer, so that the caller knows that the call has begun. */
  begin(): void
  /** Resolves when more may be sent. Throws the signal's reason. */
  send(message: Uint8Array): Promise<void>
  /**
   * Resolves when the message has left: the connection has taken it. Call it when nothing else is
   * being sent: then the library has copied the message when this returns, and its memory is free.
   * Throws the signal's reason.
   */
  deliver(message: Uint8Array): Promise<void>
}

export interface StreamMethod {
  readonly name: string
  /** `/package.Service/Method` */
  readonly path: string
  /** The call ends with OK when this resolves, else with the status of the error. */
  answer(call: StreamCall): Promise<void>
}

/** The part of the library's stream that is used. */
export interface LibraryStream {
  readonly metadata: { get(name: string): (string | Buffer)[] }
  iterator(options: { readonly destroyOnReturn: boolean }): AsyncIterator<Buffer>
  write(message: Uint8Array, taken?: (error?: Error | null) => void): boolean
  end(): void
  sendMetadata(metadata: unknown): void
  emit(event: 'error', status: { readonly code: number; readonly details: string }): boolean
  on(event: 'cancelled' | 'drain' | 'error', listener: () => void): unknown
  off(event: 'drain', listener: () => void): unknown
}

const detailsCharactersMax = 1000

/** @param noMetadata an empty set of metadata, as the library has it */
export async function answerStream(
  method: StreamMethod,
  stream: LibraryStream,
  running: Set<AbortController>,
  noMetadata: unknown,
): Promise<void> {
  const controller = new AbortController()
  const { signal } = controller
  const cancel = (): void =>
    controller.abort(new SkeinError('cancelled', `${method.name} was cancelled by its caller or its deadline`))
  stream.on('cancelled', cancel)
  // Emitted for messages that cannot be read, too. The status of the call says what was wrong.
  stream.on('error', cancel)
  running.add(controller)
  let hasBegun = false
  let hasFailed = false
  let underWay = 0
  const idle = Promise.withResolvers<void>()
  const write: Write = (message, taken) => {
    underWay += 1
    return stream.write(message, (error) => {
      underWay -= 1
      if (underWay === 0 && hasFailed) idle.resolve()
      taken?.(error)
    })
  }
  const call: StreamCall = {
    requests: { [Symbol.asyncIterator]: () => requestsOf(stream, signal, () => stream.sendMetadata(noMetadata)) },
    signal,
    metadata: (name) => stream.metadata.get(name)[0]?.toString(),
    begin: () => {
      if (hasBegun || signal.aborted) return
      hasBegun = true
      stream.sendMetadata(noMetadata)
    },
    send: (message) => send(stream, write, message, signal),
    deliver: (message) => deliver(write, message, signal),
  }
  try {
    await method.answer(call)
    if (!signal.aborted) stream.end()
  } catch (thrown) {
    // Nobody is there any more, unless it is the server that ends the call.
    const error = signal.aborted ? toSkeinError(signal.reason) : toSkeinError(thrown)
    if (error.code === 'cancelled' && signal.aborted) return
    const { code, message } = errorToJson(error)
    // The iterator of the requests destroys the stream when it sees the error: a status that waits
    // for messages would be lost.
    hasFailed = true
    if (underWay > 0) await untilAborted(idle.promise, signal).catch(() => undefined)
    stream.emit('error', {
      code: statusTable[code].grpc,
      details: message.slice(0, detailsCharactersMax).toWellFormed(),
    })
  } finally {
    running.delete(controller)
  }
}

/**
 * A call that is cancelled looks at first as if it had all its messages: some clients say so before
 * they cancel, and the library does. So the end counts when nothing came right behind it.
 * @param touch something that the library does not do for a cancelled call: it looks then.
 */
async function* requestsOf(stream: LibraryStream, signal: AbortSignal, touch: () => void): AsyncGenerator<Uint8Array> {
  const iterator = stream.iterator({ destroyOnReturn: false })
  const aborted = Promise.withResolvers<never>()
  // Nobody may be waiting when it is rejected.
  aborted.promise.catch(() => undefined)
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), aborted.promise])
      if (step.done === true) {
        touch()
        await setImmediate()
        throwIfAborted(signal)
        return
      }
      yield step.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

type Write = (message: Uint8Array, taken?: (error?: Error | null) => void) => boolean

function send(
  stream: Pick<LibraryStream, 'on' | 'off'>,
  write: Write,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    if (write(message)) return resolve()
    const done = (): void => {
      stream.off('drain', done)
      signal.removeEventListener('abort', done)
      if (signal.aborted) reject(signal.reason as Error)
      else resolve()
    }
    stream.on('drain', done)
    signal.addEventListener('abort', done, { once: true })
  })
}

function deliver(write: Write, message: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error)
    // The library forgets who waits for a message when the call has ended.
    const onAbort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    const { noted, copyOf } = noteCopy(message)
    write(noted, (error) => {
      signal.removeEventListener('abort', onAbort)
      if (error !== undefined && error !== null)
        return reject(new SkeinError('cancelled', 'the call has ended', { cause: error }))
      const copy = copyOf()
      if (copy !== undefined) freeAtOnce(copy)
      resolve()
    })
  })
}

/**
 * The library copies each message into memory of its own. Left to the garbage collector, these
 * copies cost more than all else: a collection for each 20 MB that are sent.
 * @returns the message, which notes where it is copied to
 */
function noteCopy(message: Uint8Array): { readonly noted: Buffer; readonly copyOf: () => Uint8Array | undefined } {
  const noted = Buffer.from(message.buffer, message.byteOffset, message.length)
  let copy: Uint8Array | undefined
  noted.copy = (target, ...rest) => {
    copy = target
    return Buffer.prototype.copy.call(noted, target, ...rest)
  }
  return { noted, copyOf: () => copy }
}
