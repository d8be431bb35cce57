// Why: the same dataset is put into a store and compared with what the cache gives back. How: bytes
// follow from the key and a version alone, so that nothing has to be kept to know what is right.
import { createHash } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'

export interface DatasetObject {
  readonly key: string
  readonly length: number
}

/** `count` objects of `length` bytes, a hundred a folder. */
export function objects(prefix: string, count: number, length: number): DatasetObject[] {
  return Array.from({ length: count }, (_, n) => ({
    key: `${prefix}/part-${String(n % 100).padStart(3, '0')}/object-${String(n).padStart(6, '0')}`,
    length,
  }))
}

const blockLength = 1 << 20

/**
 * The bytes of an object's version: a 1 MiB block made from the key and version, each repetition
 * marked with its number.
 */
export function contentOf(key: string, length: number, version = 1): Buffer {
  const bytes = Buffer.alloc(length)
  const seed = createHash('sha512').update(`${version} ${key}`).digest()
  bytes.fill(seed, 0, Math.min(length, blockLength))
  for (let at = blockLength; at < length; at += blockLength)
    bytes.copy(bytes, at, 0, Math.min(blockLength, length - at))
  for (let at = 0, n = 0; at + 4 <= length; at += blockLength, n += 1) bytes.writeUInt32LE(n, at)
  return bytes
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * The SHA-256 of objects' versions; each is made once, because tests look at the same ones again
 * and again.
 */
export class Checksums {
  readonly #known = new Map<string, string>()

  of({ key, length }: DatasetObject, version = 1): string {
    const name = `${version} ${length} ${key}`
    const known = this.#known.get(name) ?? sha256(contentOf(key, length, version))
    this.#known.set(name, known)
    return known
  }
}

/** A bucket of a real store, for tests. */
export class TestBucket {
  readonly name: string
  readonly #client: S3Client

  constructor(name: string, store: { endpoint: string; accessKey: string; secretKey: string }) {
    this.name = name
    this.#client = new S3Client({
      endpoint: store.endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: store.accessKey, secretAccessKey: store.secretKey },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  }

  async create(): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: this.name }))
  }

  /** @returns the ETag without quotes */
  async put(key: string, body: Uint8Array): Promise<string> {
    const { ETag } = await this.#client.send(
      new PutObjectCommand({ Bucket: this.name, Key: key, Body: body, ContentLength: body.length }),
    )
    return (ETag ?? '').replaceAll('"', '')
  }

  /** The ETag without quotes. */
  async etag(key: string): Promise<string> {
    const { ETag = '' } = await this.#client.send(new HeadObjectCommand({ Bucket: this.name, Key: key }))
    return ETag.replaceAll('"', '')
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }))
  }

  /** Puts the whole dataset, 32 at a time. */
  async putAll(dataset: readonly DatasetObject[]): Promise<void> {
    let next = 0
    const worker = async (): Promise<void> => {
      for (let object = dataset[next++]; object !== undefined; object = dataset[next++])
        await this.put(object.key, contentOf(object.key, object.length))
    }
    await Promise.all(Array.from({ length: 32 }, worker))
  }

  close(): void {
    this.#client.destroy()
  }
}
