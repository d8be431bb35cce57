// Why: the objects of one bucket of the origin. How: a map and its sorted keys; an object is
// generated noise or given bytes; each write is a new version with a new ETag.
import { hash } from 'node:crypto'
import { crc64, type Noise } from './content.ts'
import { OriginUploads } from './uploads.ts'

export interface OriginObject {
  readonly key: string
  readonly size: number
  readonly version: number
  /** Without quotes. */
  readonly etag: string
  readonly modifiedMs: number
  readonly storageClass: string
  /** Headers that are stored with it: Content-Type and x-amz-meta-*. */
  readonly metadata: Readonly<Record<string, string>>
  /** An archived object was restored for a while. */
  readonly restored?: boolean
  /** Given bytes; generated ones when undefined. */
  readonly body: Buffer | undefined
}

export interface PutOptions {
  readonly storageClass?: string
  /** Made up when undefined, so that each write has another one. */
  readonly etag?: string
  readonly metadata?: Readonly<Record<string, string>>
}

const crcBytesMax = 4 * 1024 * 1024

export class OriginBucket {
  readonly name: string
  /** Multipart uploads that were neither completed nor aborted. */
  readonly uploads = new OriginUploads()
  readonly #noise: Noise
  readonly #objects = new Map<string, OriginObject>()
  readonly #crcs = new Map<string, string>()
  #sorted: string[] | undefined
  #versions = 0

  constructor(name: string, noise: Noise) {
    this.name = name
    this.#noise = noise
  }

  /** A generated object of `size` bytes. Called again: a new version with other bytes. */
  generate(key: string, size: number, options: PutOptions = {}): OriginObject {
    return this.#set(key, size, undefined, options)
  }

  put(key: string, body: Uint8Array, options: PutOptions = {}): OriginObject {
    return this.#set(key, body.length, Buffer.from(body), options)
  }

  /** `count` generated objects: prefix + a number of seven digits. */
  generateMany(prefix: string, count: number, size: number): void {
    for (let index = 0; index < count; index += 1) this.generate(`${prefix}${String(index).padStart(7, '0')}`, size)
  }

  /** A new version of the same size. */
  overwrite(key: string): OriginObject {
    const old = this.#objects.get(key)
    if (old === undefined) throw new Error(`no object ${key}`)
    return old.body === undefined
      ? this.generate(key, old.size)
      : this.put(key, Buffer.from(old.body.map((byte) => byte ^ 0xff)))
  }

  /** An archived object can be read from now on; its class stays. */
  restore(key: string): void {
    const object = this.#objects.get(key)
    if (object !== undefined) this.#objects.set(key, { ...object, restored: true })
  }

  delete(key: string): void {
    if (this.#objects.delete(key)) this.#sorted = undefined
  }

  get(key: string): OriginObject | undefined {
    return this.#objects.get(key)
  }

  /** Keys in ascending order of their UTF-8 bytes. */
  get sortedKeys(): readonly string[] {
    this.#sorted ??= sortKeys([...this.#objects.keys()])
    return this.#sorted
  }

  slices(object: OriginObject, offset = 0, length = object.size - offset): Iterable<Buffer> {
    if (object.body !== undefined) return length === 0 ? [] : [object.body.subarray(offset, offset + length)]
    return this.#noise.slices(`${this.name}/${object.key} ${object.size} ${object.version}`, offset, length)
  }

  /** All bytes of an object's present version. */
  bytesOf(key: string): Buffer {
    const object = this.#objects.get(key)
    if (object === undefined) throw new Error(`no object ${key}`)
    return Buffer.concat([...this.slices(object)])
  }

  /** Undefined for objects that are too large to compute it in passing. */
  crc64Of(object: OriginObject): string | undefined {
    if (object.size > crcBytesMax) return undefined
    // Two versions may have been given one ETag.
    const version = `${object.version} ${object.etag}`
    const known = this.#crcs.get(version)
    if (known !== undefined) return known
    const computed = crc64(this.slices(object))
    this.#crcs.set(version, computed)
    return computed
  }

  #set(key: string, size: number, body: Buffer | undefined, options: PutOptions): OriginObject {
    this.#versions += 1
    const version = this.#versions
    const etag =
      options.etag ??
      hash('md5', `${this.name}/${key} ${size} ${version} ${body === undefined ? '' : hash('md5', body)}`)
    const object = {
      key,
      size,
      version,
      etag,
      modifiedMs: Math.floor(Date.now() / 1000) * 1000,
      storageClass: options.storageClass ?? 'STANDARD',
      metadata: options.metadata ?? {},
      body,
    }
    if (!this.#objects.has(key)) this.#sorted = undefined
    this.#objects.set(key, object)
    return object
  }
}

function sortKeys(keys: string[]): string[] {
  // oxlint-disable-next-line no-control-regex
  if (keys.every((key) => /^[\x00-\x7f]*$/.test(key))) return keys.sort()
  return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}
