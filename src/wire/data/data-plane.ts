// Why: the protocol of the data port, for both ends. It is HTTP/1.1, because one connection per
// byte stream was twice as fast as gRPC:
//
//   GET /v1/blocks/<id>
//     with `range: bytes=a-b`; the response has a content-length and the block's header in
//     `x-skein-block`
//   PUT /v1/blocks/<id>
//     `x-skein-block` (base64url of the BlockHeader message), content-length = its length; the
//     server sends `100 Continue` once it has space, so that a refusal costs no bytes. Where the
//     writer does not know the length yet, the body is chunked: the header's length is the most
//     there may be, and the trailer `x-skein-length` says how many bytes were sent
//   POST /v1/blocks
//     many small blocks as frames, with content type `application/x-skein-blocks`; the response
//     lists the ones that failed
//   PUT and POST
//     may have hints: `x-skein-load` (percent-encoded load id), `x-skein-evict: 1`
//   GET /v1/stores/<namespace id>
//     with `range: bytes=a-b` and `x-skein-object` (base64url of JSON: key and etag): bytes of an
//     object from the store, so that a reader needs no secret. The JSON field `block` describes the
//     cached block of these bytes, so that the worker may cache it
//
// A reader may send the name of its host in `x-skein-host`, which only decides what counts as read
// on the worker's own host. An error is JSON (status.ts) with a matching HTTP status. A body is
// complete only if it has exactly its announced length, before it or in the trailer.
import { crc32 } from '../../base/checksum/crc32.ts'
import { SkeinError } from '../../base/errors.ts'
import { BlockHeader } from '../generated/worker.ts'
import { errorFromJson, type ErrorJson, errorToJson } from '../status.ts'

export const blockHeaderName = 'x-skein-block'
export const blocksPath = '/v1/blocks'
export const lengthTrailerName = 'x-skein-length'
export const objectHeaderName = 'x-skein-object'
const loadHeaderName = 'x-skein-load'
const evictHeaderName = 'x-skein-evict'
export const hostHeaderName = 'x-skein-host'
const storesPath = '/v1/stores/'
const namespaceIdCharactersMax = 200
const loadIdCharactersMax = 200
/** Maximum bytes of one POST, frames included. */
export const framesBytesMax = 16 * 1024 * 1024
/** Blocks per POST of our own clients. */
export const framesPerRequest = 256

export interface SmallBlock {
  readonly header: BlockHeader
  readonly bytes: Uint8Array
}

/** What a writer says of a block. block/block-store.ts describes the effect of the hints. */
export interface WriteHints {
  /** The header's length is the most there may be; commit says how many bytes the block has. */
  readonly openEnded?: boolean
  /** Colder blocks may be evicted for it. */
  readonly evict?: boolean
  /** The load that writes it. */
  readonly loadId?: string | undefined
}

/** A block of a file, as the cache would store it. */
export interface CacheableBlock {
  readonly blockId: number
  /** The offset in the object. */
  readonly offset: number
  readonly length: number
}

/** One version of an object in the store of a namespace. */
export interface StoreObject {
  readonly key: string
  readonly etag: string
  /**
   * The block that has exactly the requested bytes. The worker may serve them from it, and cache
   * it.
   */
  readonly block?: CacheableBlock | undefined
}

export interface StoreReadRequest extends StoreObject {
  readonly namespaceId: string
  readonly offset: number
  /** Above 0. */
  readonly length: number
}

export interface BlockBody {
  readonly header: BlockHeader
  readonly length: number
  readonly chunks: AsyncIterable<Uint8Array>
  readonly sent?: (chunk: Uint8Array) => void
}

/**
 * The block operations of a worker. All are idempotent, because a block id always names the same
 * bytes. They throw SkeinErrors.
 */
export interface DataPlaneHandlers {
  /**
   * Bytes of a block from `offset` on. `length` undefined: to its end. The chunks add up to the
   * returned `length`. After a chunk was yielded, it belongs to the server until the server calls
   * `sent` with it. After a failure, `sent` is not called.
   */
  read(
    blockId: number,
    offset: number,
    length: number | undefined,
    signal: AbortSignal,
    readerHost?: string,
  ): Promise<BlockBody>
  /**
   * Receives exactly header.length bytes (at most that many with `openEnded`), and resolves when
   * they are committed. The body throws when the peer stops early. The peer sends no byte before
   * the body is first read.
   */
  receive(header: BlockHeader, body: AsyncIterable<Uint8Array>, signal: AbortSignal, hints?: WriteHints): Promise<void>
  /**
   * Commits many small blocks. Returns one result per block in the same order; undefined: stored.
   * The bytes are views of one buffer.
   */
  receiveSmall(blocks: readonly SmallBlock[], hints?: WriteHints): Promise<readonly (SkeinError | undefined)[]>
  /** Whether other requests wait for the resources of this kind of request (data-server.ts). */
  isWanted?(kind: string): boolean
  /**
   * Exactly the requested bytes from the store. Takes no resources before the first chunk is read.
   * The server reads the first chunk before it sends the head, so it can return an error unchanged.
   */
  readStore(
    request: StoreReadRequest,
    signal: AbortSignal,
  ): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> }>
}

/**
 * Whether the error means that the worker already has the block, which is a success for the writer.
 */
export function isCommitted(error: SkeinError): boolean {
  return error.code === 'already_exists' && error.reason === 'committed'
}

export function encodeBlockHeader(header: BlockHeader): string {
  const bytes = BlockHeader.encode(header).finish()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/**
 * @throws SkeinError invalid_argument when the header is missing, malformed, or for another block
 */
export function decodeBlockHeader(text: string | undefined, blockId: number): BlockHeader {
  const header = text === undefined ? undefined : decodeHeaderBytes(Buffer.from(text, 'base64url'))
  if (header === undefined)
    throw new SkeinError('invalid_argument', `the block header of block ${blockId} is missing or malformed`)
  if (header.blockId !== blockId) {
    throw new SkeinError('invalid_argument', `the header of block ${header.blockId} was sent for block ${blockId}`)
  }
  return header
}

function decodeHeaderBytes(bytes: Uint8Array): BlockHeader | undefined {
  try {
    return BlockHeader.decode(bytes)
  } catch {
    return undefined
  }
}

/** The path of a namespace's store. */
export function storePath(namespaceId: string): string {
  return storesPath + encodeURIComponent(namespaceId)
}

/** The inverse of storePath; undefined for another path. */
export function namespaceIdOfPath(path: string): string | undefined {
  if (!path.startsWith(storesPath)) return undefined
  try {
    const id = decodeURIComponent(path.slice(storesPath.length))
    return id === '' || id.length > namespaceIdCharactersMax || /[/?#]/.test(id) ? undefined : id
  } catch {
    return undefined
  }
}

/** JSON, because it preserves every UTF-16 unit of a key. */
export function encodeStoreObject({ key, etag, block }: StoreObject): string {
  return Buffer.from(JSON.stringify({ key, etag, block })).toString('base64url')
}

/** @throws SkeinError invalid_argument when it is missing or malformed */
export function decodeStoreObject(text: string | undefined): StoreObject {
  try {
    const { key, etag, block } = JSON.parse(Buffer.from(text ?? '', 'base64url').toString()) as {
      readonly [name: string]: unknown
    }
    const named = typeof key === 'string' && typeof etag === 'string' && key !== ''
    if (named && block === undefined) return { key, etag }
    if (named && isCacheableBlock(block)) return { key, etag, block }
  } catch {
    // The error follows below.
  }
  throw new SkeinError('invalid_argument', 'the name of the object to read is missing or malformed')
}

function isCacheableBlock(value: unknown): value is CacheableBlock {
  if (typeof value !== 'object' || value === null) return false
  const { blockId, offset, length } = value as { readonly [name: string]: unknown }
  const numbers = [blockId, offset, length]
  return numbers.every((number) => Number.isSafeInteger(number) && Number(number) >= 0) && Number(length) > 0
}

export function encodeHints({ evict, loadId }: WriteHints): Record<string, string> {
  return {
    ...(loadId === undefined || loadId === '' ? {} : { [loadHeaderName]: encodeURIComponent(loadId) }),
    ...(evict === true ? { [evictHeaderName]: '1' } : {}),
  }
}

/** @throws SkeinError invalid_argument */
export function decodeHints(headers: Readonly<Record<string, string | readonly string[] | undefined>>): WriteHints {
  const load = headers[loadHeaderName]
  const evict = headers[evictHeaderName] === '1'
  if (load === undefined) return { evict }
  try {
    const loadId = decodeURIComponent(String(load))
    if (loadId !== '' && loadId.length <= loadIdCharactersMax) return { evict, loadId }
  } catch {
    // The error follows below.
  }
  throw new SkeinError('invalid_argument', 'the id of the load is malformed')
}

// A frame: u32 header length, u32 data length, u32 CRC-32 of header and data, header (protobuf),
// data. Little endian.
const frameFixedBytes = 12

/** Encodes small blocks as frames in one buffer. */
export function encodeFrames(blocks: readonly SmallBlock[]): Buffer {
  const headers = blocks.map((block) => BlockHeader.encode(block.header).finish())
  const totalBytes = blocks.reduce(
    (sum, block, index) => sum + frameFixedBytes + (headers[index]?.length ?? 0) + block.bytes.length,
    0,
  )
  const buffer = Buffer.allocUnsafe(totalBytes)
  let at = 0
  for (const [index, { bytes }] of blocks.entries()) {
    const header = headers[index] ?? new Uint8Array()
    buffer.writeUInt32LE(header.length, at)
    buffer.writeUInt32LE(bytes.length, at + 4)
    buffer.writeUInt32LE(crc32(bytes, crc32(header)), at + 8)
    buffer.set(header, at + frameFixedBytes)
    buffer.set(bytes, at + frameFixedBytes + header.length)
    at += frameFixedBytes + header.length + bytes.length
  }
  return buffer
}

/** An upper bound of the bytes that a block takes in a POST. */
export function frameBytesAtMost(block: SmallBlock): number {
  // Six fields with their tags and varints, and at most three bytes of UTF-8 per UTF-16 unit.
  const texts = block.header.namespaceId.length + block.header.key.length + block.header.etag.length
  return frameFixedBytes + 64 + 3 * texts + block.bytes.length
}

/** A decoded frame: a block, or the reason why it is invalid. */
export type Frame = { readonly block: SmallBlock } | { readonly error: SkeinError }

/**
 * Decodes the frames of a request's body. The blocks are views of it. A frame that does not match
 * its checksum is a separate error.
 * @throws SkeinError invalid_argument when the body is truncated, has invalid lengths, or has too
 *   many frames
 */
export function decodeFrames(body: Buffer, framesMax: number): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < body.length;) {
    if (body.length - at < frameFixedBytes) throw cutFrames(frames.length)
    if (frames.length === framesMax) {
      throw new SkeinError('invalid_argument', `the request has more than ${framesMax} blocks`, {
        reason: 'too_many_frames',
      })
    }
    const headerLength = body.readUInt32LE(at)
    const dataLength = body.readUInt32LE(at + 4)
    const crc = body.readUInt32LE(at + 8)
    const headerAt = at + frameFixedBytes
    const dataAt = headerAt + headerLength
    at = dataAt + dataLength
    if (at > body.length) throw cutFrames(frames.length)
    frames.push(decodeFrame(body.subarray(headerAt, dataAt), body.subarray(dataAt, at), crc, frames.length))
  }
  return frames
}

function decodeFrame(headerBytes: Buffer, bytes: Buffer, crc: number, index: number): Frame {
  if (crc32(bytes, crc32(headerBytes)) !== crc) {
    return {
      error: new SkeinError('data_loss', `block frame ${index} does not match its checksum`, {
        reason: 'frame_corrupt',
        retryable: true,
      }),
    }
  }
  const header = decodeHeaderBytes(headerBytes)
  if (header === undefined)
    return { error: new SkeinError('invalid_argument', `the header of block frame ${index} is malformed`) }
  if (header.length !== bytes.length) {
    return {
      error: new SkeinError(
        'invalid_argument',
        `block ${header.blockId} has ${bytes.length} bytes, not ${header.length}`,
      ),
    }
  }
  return { block: { header, bytes } }
}

function cutFrames(after: number): SkeinError {
  return new SkeinError('invalid_argument', `the block frames end in the middle of frame ${after}`, {
    reason: 'frames_cut',
  })
}

/** The response to a POST: the number of frames, and the errors by index. */
export function encodeResults(results: readonly (SkeinError | undefined)[]): string {
  const failures: [number, ErrorJson][] = []
  for (const [index, error] of results.entries()) if (error !== undefined) failures.push([index, errorToJson(error)])
  return JSON.stringify({ count: results.length, failures })
}

/**
 * The inverse of encodeResults; undefined when the text is not such a response for `count` blocks.
 */
export function decodeResults(text: string, count: number): (SkeinError | undefined)[] | undefined {
  const results = Array.from<SkeinError | undefined>({ length: count })
  try {
    const answer = JSON.parse(text) as { count?: unknown; failures?: unknown }
    if (answer.count !== count || !Array.isArray(answer.failures)) return undefined
    for (const [index, json] of answer.failures as [number, unknown][]) {
      const error = errorFromJson(json)
      if (error === undefined || !(index in results)) return undefined
      results[index] = error
    }
    return results
  } catch {
    return undefined
  }
}
