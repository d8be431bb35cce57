// Why: requests come from the kernel through one descriptor (/dev/fuse), and answers go back the
// same way. How: a few reads wait in the threads of libuv, so a request is taken up at once while
// another is being read. A request lies in memory of its own until it is answered, and that memory
// is used again. The kernel ends the connection (ENODEV) when the file system is unmounted.
import { read, write, writeSync, writev } from 'node:fs'
import type { Notice } from '../protocol/notices.ts'
import { answerHeaderBytes } from '../protocol/wire-numbers.ts'

export interface DeviceConnectionOptions {
  /** Requests that are waited for at a time. */
  readonly readers: number
  /** Bytes of the largest request. */
  readonly requestBytes: number
  /**
   * Called with each request; its bytes are valid until `done` is called, once. Does not throw.
   */
  readonly onRequest: (bytes: Buffer, done: () => void) => void
}

/** The request was interrupted, or there was none after all. */
const againCodes: ReadonlySet<string> = new Set(['ENOENT', 'EINTR', 'EAGAIN'])
/** Unmounted, or aborted. */
const endedCodes: ReadonlySet<string> = new Set(['ENODEV', 'ECONNABORTED', 'EBADF'])
/** Larger answers are written by a thread: copying them would hold up other requests. */
const writtenHereBytesMax = 64 * 1024
/** A larger request is not copied. */
const smallBytesMax = 8 * 1024
const idleMemoryMax = 64

export class DeviceConnection {
  /** Resolves when the kernel has ended the connection; rejects when the device fails. */
  readonly ended: Promise<void>
  readonly #descriptor: number
  readonly #options: DeviceConnectionOptions
  readonly #end = Promise.withResolvers<void>()
  readonly #idle: Buffer[] = []
  #waiting = 0

  constructor(descriptor: number, options: DeviceConnectionOptions) {
    this.#descriptor = descriptor
    this.#options = options
    this.ended = this.#end.promise
    this.ended.catch(() => undefined)
  }

  start(): void {
    for (let reader = 0; reader < this.#options.readers; reader += 1) this.#next()
  }

  /** Answers a request that has failed. @param errorNumber as of errno, positive */
  fail(unique: number, errorNumber: number): void {
    this.#send([header(answerHeaderBytes, -errorNumber, unique)])
  }

  answer(unique: number, body: Uint8Array | undefined): void {
    const bytes = answerHeaderBytes + (body?.length ?? 0)
    const head = header(bytes, 0, unique)
    this.#send(body === undefined ? [head] : [head, body])
  }

  /**
   * Answers with bytes that have room for the header before them. Resolves when they may be used
   * again.
   */
  async answerFramed(unique: number, framed: Buffer): Promise<void> {
    putHeader(framed, framed.length, 0, unique)
    if (framed.length <= writtenHereBytesMax) {
      this.#send([framed])
      return
    }
    await new Promise<void>((resolve) => {
      write(this.#descriptor, framed, 0, framed.length, null, () => resolve())
    })
  }

  /**
   * Tells the kernel something that it did not ask for. A thread does it: the kernel may have to
   * wait for a call that is answered here. Resolves to whether the kernel took it.
   */
  notify({ code, body }: Notice): Promise<boolean> {
    const length = body.reduce((sum, part) => sum + part.length, answerHeaderBytes)
    const parts = [header(length, code, 0), ...body]
    return new Promise((resolve) => writev(this.#descriptor, parts, (error) => resolve(error === null)))
  }

  #next(): void {
    const memory = this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.#options.requestBytes)
    this.#waiting += 1
    read(this.#descriptor, memory, 0, memory.length, null, (error, bytes) => {
      this.#waiting -= 1
      if (error !== null) {
        this.#giveBack(memory)
        this.#failed(error)
        return
      }
      if (bytes > smallBytesMax) {
        this.#next()
        this.#options.onRequest(memory.subarray(0, bytes), () => this.#giveBack(memory))
        return
      }
      // Calls that wait for the cluster, however many, hold no memory for a large request.
      const request = Buffer.from(memory.subarray(0, bytes))
      this.#giveBack(memory)
      this.#next()
      this.#options.onRequest(request, () => undefined)
    })
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (againCodes.has(error.code ?? '')) {
      this.#next()
      return
    }
    if (!endedCodes.has(error.code ?? '')) this.#end.reject(error)
    if (this.#waiting === 0) this.#end.resolve()
  }

  #giveBack(memory: Buffer): void {
    if (this.#idle.length < idleMemoryMax) this.#idle.push(memory)
  }

  /** An answer to a request that was interrupted meanwhile is refused, and nobody misses it. */
  #send(parts: readonly Uint8Array[]): void {
    const [only] = parts
    const bytes = only !== undefined && parts.length === 1 ? only : Buffer.concat(parts)
    try {
      writeSync(this.#descriptor, bytes)
    } catch {
      // Its program has gone.
    }
  }
}

function header(length: number, error: number, unique: number): Buffer {
  const bytes = Buffer.allocUnsafe(answerHeaderBytes)
  putHeader(bytes, length, error, unique)
  return bytes
}

function putHeader(bytes: Buffer, length: number, error: number, unique: number): void {
  bytes.writeUInt32LE(length, 0)
  bytes.writeInt32LE(error, 4)
  bytes.writeUInt32LE(unique % 2 ** 32, 8)
  bytes.writeUInt32LE(Math.floor(unique / 2 ** 32), 12)
}
