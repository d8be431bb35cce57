// Why: the ETag of an object is the MD5 of its bytes, which takes 1.4 s for each GiB: more than all
// else that the door does for them. On the thread that serves all requests it would stop everybody
// else. How: a few threads, which are started when they are needed. The memory of the bytes is
// moved to a thread, where it does not fill a whole buffer it is copied. Of one content,
// `waitingBytesMax` wait at most. A content stays with the thread that it began with. A thread that
// ends by an error fails its contents; the next one gets a new thread.
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SkeinError, toSkeinError } from '../../../base/errors.ts'
import type { DigestAnswer, DigestRequest } from './digest-messages.ts'
import { type BeginDigests, type DigestName, digestsHere, type RunningDigests } from './running-digests.ts'

/** Bytes that go with one message. */
const messageBytes = 256 * 1024
/** Bytes of one content that are with its thread, and not computed. */
const waitingBytesMax = 4 * 1024 * 1024
/** A thread has a few running digests; bytes are freed by hand. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 }

/** Contents up to this size are not worth a message to another thread. */
const hereBytesMax = 1024 * 1024

const program = new URL(`./digest-thread${extname(import.meta.filename)}`, import.meta.url)

export interface DigestThreadsOptions {
  /** 0: all digests are computed on the thread of the caller. */
  readonly threadsMax: number
  /** Starts a thread. Default: digest-thread.ts. */
  readonly start?: () => Worker
}

export class DigestThreads {
  readonly #options: DigestThreadsOptions
  readonly #threads = new Set<DigestThread>()
  #contents = 0

  constructor(options: DigestThreadsOptions) {
    this.#options = options
  }

  /** Where the digests of a content are computed. @param bytes undefined: not known */
  of(bytes: number | undefined): BeginDigests {
    const isHere = this.#options.threadsMax === 0 || (bytes !== undefined && bytes <= hereBytesMax)
    return isHere ? digestsHere : (names) => this.begin(names)
  }

  /** The same for bytes whose memory others use, too. */
  ofShared(bytes: number): BeginDigests {
    const begin = this.of(bytes)
    if (begin === digestsHere) return begin
    return (names) => {
      const running = begin(names)
      const take = (sent: Uint8Array): Promise<void> | undefined => {
        const copy = new Uint8Array(sent)
        return running.take(copy, [copy])
      }
      return { take, finish: () => running.finish(), drop: () => running.drop() }
    }
  }

  get running(): number {
    return this.#threads.size
  }

  begin(names: readonly DigestName[]): RunningDigests {
    this.#contents += 1
    return this.#leastBusy().begin(this.#contents, names)
  }

  /** Contents that are not finished fail. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.close()))
  }

  #leastBusy(): DigestThread {
    const [first] = [...this.#threads].toSorted((a, b) => a.contents - b.contents)
    const isEnough = this.#threads.size >= this.#options.threadsMax
    if (first !== undefined && (first.contents === 0 || isEnough)) return first
    const start = this.#options.start ?? (() => new Worker(program, { resourceLimits }))
    const thread: DigestThread = new DigestThread(start(), () => this.#threads.delete(thread))
    this.#threads.add(thread)
    return thread
  }
}

class DigestThread {
  readonly #worker: Worker
  readonly #contents = new Map<number, DigestsThere>()
  readonly #onEnd: () => void

  constructor(worker: Worker, onEnd: () => void) {
    this.#worker = worker
    this.#onEnd = onEnd
    // Requests keep the process alive, not their digests.
    worker.unref()
    worker.on('message', (answer: DigestAnswer) => this.#contents.get(answer.content)?.answered(answer))
    worker.on('error', (error) => this.#end(toSkeinError(error)))
    worker.on('exit', () => this.#end(new SkeinError('internal', 'the thread that computes digests has ended')))
  }

  get contents(): number {
    return this.#contents.size
  }

  begin(content: number, names: readonly DigestName[]): RunningDigests {
    const send = (request: DigestRequest, moved: readonly ArrayBuffer[]): void =>
      this.#worker.postMessage(request, [...moved])
    const digests = new DigestsThere(content, names, send, () => this.#contents.delete(content))
    this.#contents.set(content, digests)
    return digests
  }

  async close(): Promise<void> {
    this.#end(new SkeinError('unavailable', 'the door is closed', { reason: 'stopping' }))
    await this.#worker.terminate()
  }

  #end(error: SkeinError): void {
    this.#onEnd()
    for (const digests of this.#contents.values()) digests.fail(error)
    this.#contents.clear()
  }
}

/** The digests of one content, computed in a thread. */
class DigestsThere implements RunningDigests {
  readonly #content: number
  readonly #send: (request: DigestRequest, moved: readonly ArrayBuffer[]) => void
  readonly #onEnd: () => void
  #names: readonly DigestName[] | undefined
  #buffers: ArrayBuffer[] = []
  #parts: number[] = []
  /** Of the parts that were not sent. */
  #partBytes = 0
  /** Sent, and not computed. */
  #waitingBytes = 0
  #room: PromiseWithResolvers<void> | undefined
  readonly #digests = Promise.withResolvers<readonly Buffer[]>()
  #mode: 'open' | 'finishing' | 'ended' = 'open'

  constructor(
    content: number,
    names: readonly DigestName[],
    send: (request: DigestRequest, moved: readonly ArrayBuffer[]) => void,
    onEnd: () => void,
  ) {
    this.#content = content
    this.#names = names
    this.#send = send
    this.#onEnd = onEnd
    // It may fail before anybody asks for it.
    this.#digests.promise.catch(() => undefined)
  }

  take(sent: Uint8Array, parts: readonly Uint8Array[]): Promise<void> | undefined {
    if (this.#mode !== 'open') return undefined
    const bytes = parts.reduce((sum, { length }) => sum + length, 0)
    if (bytes === 0) return undefined
    const index = this.#buffers.length
    for (const { byteOffset, length } of parts) this.#parts.push(index, byteOffset - sent.byteOffset, length)
    this.#buffers.push(ownBuffer(sent))
    this.#partBytes += bytes
    if (this.#partBytes >= messageBytes) this.#sendParts(false)
    if (this.#waitingBytes <= waitingBytesMax) return undefined
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  finish(): Promise<readonly Buffer[]> {
    if (this.#mode === 'open') {
      this.#mode = 'finishing'
      this.#sendParts(true)
    }
    return this.#digests.promise
  }

  drop(): void {
    if (this.#mode !== 'open') return
    this.#mode = 'ended'
    this.#send({ kind: 'drop', content: this.#content }, [])
    this.#onEnd()
  }

  answered({ bytes, digests }: DigestAnswer): void {
    this.#waitingBytes -= bytes
    if (this.#waitingBytes <= waitingBytesMax / 2) this.#makeRoom()
    if (digests === undefined) return
    this.#mode = 'ended'
    this.#digests.resolve(digests.map((digest) => Buffer.from(digest)))
    this.#onEnd()
  }

  /** `finish` throws it. */
  fail(error: SkeinError): void {
    this.#mode = 'ended'
    this.#digests.reject(error)
    this.#makeRoom()
  }

  #makeRoom(): void {
    this.#room?.resolve()
    this.#room = undefined
  }

  #sendParts(isLast: boolean): void {
    const [content, buffers, parts, names] = [this.#content, this.#buffers, this.#parts, this.#names]
    this.#waitingBytes += this.#partBytes
    this.#buffers = []
    this.#parts = []
    this.#partBytes = 0
    this.#names = undefined
    const request = { kind: 'bytes', content, buffers, parts, isLast, ...(names !== undefined && { names }) } as const
    this.#send(request, buffers)
  }
}

/** The bytes in a buffer that nobody else has: moved if they fill their buffer, else copied. */
function ownBuffer({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBuffer {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
    ? buffer.transfer()
    : new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength)).buffer
}
