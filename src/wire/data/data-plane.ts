// Why: what both ends of the data port agree on. HTTP/1.1, because one connection a stream of bytes
// was twice as fast as gRPC:
//
//   GET /v1/blocks/<id>
//     with `range: bytes=a-b`; the answer has a content-length and the block's header in
//     `x-skein-block`
//   PUT /v1/blocks/<id>
//     `x-skein-block` (base64url of the BlockHeader message), content-length = its length; the body
//     is asked for with `100 Continue` once there is room, so that a refusal costs no bytes
//   POST /v1/blocks
//     many small blocks as frames, of content type `application/x-skein-blocks`; the answer says
//     which ones failed
//   PUT and POST
//     may say for whom: `x-skein-load` (percent-encoded load id), `x-skein-evict: 1`
//   GET /v1/stores/<namespace id>
//     with `range: bytes=a-b` and `x-skein-object` (base64url of JSON: key and etag): bytes of an
//     object from the store beneath, so that a reader needs no secret. JSON `block`: the cached
//     block that the bytes are of, so that the worker may keep it
//
// A reader may name its host in `x-skein-host`, which decides only what is counted as read on the
// worker's own host. An error is JSON (status.ts) with a fitting HTTP status. A body is whole only
// with exactly its announced length.
import { crc32 } from 'node:zlib'
import { SkeinError } from '../../base/errors.ts'
import { BlockHeader } from '../generated/worker.ts'
import { errorFromJson, type ErrorJson, errorToJson } from '../status.ts'

export const blockHeaderName = 'x-skein-block'
export const blocksPath = '/v1/blocks'
export const objectHeaderName = 'x-skein-object'
const loadHeaderName = 'x-skein-load'
const evictHeaderName = 'x-skein-evict'
export const hostHeaderName = 'x-skein-host'
const storesPath = '/v1/stores/'
const namespaceIdCharactersMax = 200
const loadIdCharactersMax = 200
/** What one POST may carry, frames included. */
export const framesBytesMax = 16 * 1024 * 1024
/** Blocks in a POST of our own clients. */
export const framesPerRequest = 256

export interface SmallBlock {
  readonly header: BlockHeader
  readonly bytes: Uint8Array
}

/** What a writer says of a block beside what it is; what follows from it: block/block-store.ts. */
export interface WriteHints {
  /** Colder blocks may go for it. */
  readonly evict?: boolean
  /** The load that writes it. */
  readonly loadId?: string | undefined
}

/** A block of a file as the cache would keep it. */
export interface CacheableBlock {
  readonly blockId: number
  /** In the object. */
  readonly offset: number
  readonly length: number
}

/** One version of an object in the store beneath a namespace. */
export interface StoreObject {
  readonly key: string
  readonly etag: string
  /** The block that the wanted bytes are all of; the worker may serve them from it, and keep it. */
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
 * What a worker does with blocks. All idempotent: block ids name their bytes for ever. Throws
 * SkeinError.
 */
export interface DataPlaneHandlers {
  /**
   * Bytes of a block from `offset` on; `length` undefined: to its end. The chunks add up to the
   * returned `length`; a chunk belongs to the server once it is yielded, until it tells `sent` of
   * it. After a fault it tells of none.
   */
  read(
    blockId: number,
    offset: number,
    length: number | undefined,
    signal: AbortSignal,
    readerHost?: string,
  ): Promise<BlockBody>
  /**
   * Takes exactly header.length bytes and resolves once they are committed. The body throws when
   * the peer stops early; no byte of it is sent before it is first asked for.
   */
  receive(header: BlockHeader, body: AsyncIterable<Uint8Array>, signal: AbortSignal, hints?: WriteHints): Promise<void>
  /**
   * Commits many small blocks; one result a block in the same order, undefined = in. The bytes are
   * views of one buffer.
   */
  receiveSmall(blocks: readonly SmallBlock[], hints?: WriteHints): Promise<readonly (SkeinError | undefined)[]>
  /** Whether somebody waits for what requests of this kind hold (data-server.ts). */
  isWanted?(kind: string): boolean
  /**
   * Exactly the bytes that are asked for, from the store. Nothing is held before the first chunk is
   * asked for; the server asks for it before it promises anything, so that its error is told as it
   * is.
   */
  readStore(
    request: StoreReadRequest,
    signal: AbortSignal,
  ): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Uint8Array> }>
}

/** Whether an error says that the worker has the block already, which is what the writer wanted. */
export function isCommitted(error: SkeinError): boolean {
  return error.code === 'already_exists' && error.reason === 'committed'
}

export function encodeBlockHeader(header: BlockHeader): string {
  const bytes = BlockHeader.encode(header).finish()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/**
 * @throws SkeinError invalid_argument when it is missing, is not a header, or is of another block
 */
export function decodeBlockHeader(text: string | undefined, blockId: number): BlockHeader {
  const header = text === undefined ? undefined : decodeHeaderBytes(Buffer.from(text, 'base64url'))
  if (header === undefined)
    throw new SkeinError('invalid_argument', `the block header of block ${blockId} is missing or cannot be read`)
  if (header.blockId !== blockId) {
    throw new SkeinError('invalid_argument', `the header of block ${header.blockId} came with block ${blockId}`)
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

/** The inverse of storePath; undefined when it is no such path. */
export function namespaceIdOfPath(path: string): string | undefined {
  if (!path.startsWith(storesPath)) return undefined
  try {
    const id = decodeURIComponent(path.slice(storesPath.length))
    return id === '' || id.length > namespaceIdCharactersMax || /[/?#]/.test(id) ? undefined : id
  } catch {
    return undefined
  }
}

/** JSON, because a key keeps every UTF-16 unit in it. */
export function encodeStoreObject({ key, etag, block }: StoreObject): string {
  return Buffer.from(JSON.stringify({ key, etag, block })).toString('base64url')
}

/** @throws SkeinError invalid_argument when it is missing or is no object's name */
export function decodeStoreObject(text: string | undefined): StoreObject {
  try {
    const { key, etag, block } = JSON.parse(Buffer.from(text ?? '', 'base64url').toString()) as {
      readonly [name: string]: unknown
    }
    const named = typeof key === 'string' && typeof etag === 'string' && key !== ''
    if (named && block === undefined) return { key, etag }
    if (named && isCacheableBlock(block)) return { key, etag, block }
  } catch {
    // Told below.
  }
  throw new SkeinError('invalid_argument', 'the name of the object to read is missing or cannot be read')
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
    // Told below.
  }
  throw new SkeinError('invalid_argument', 'the id of the load that writes cannot be read')
}

// A frame: u32 header length, u32 data length, u32 CRC-32 of header and data, header (protobuf),
// data. Little endian.
const frameFixedBytes = 12

/** Frames of small blocks in one buffer. */
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

/** Bytes that a block takes in a POST, never less than its frame. */
export function frameBytesAtMost(block: SmallBlock): number {
  // Six fields with their tags and varints, and at most three bytes of UTF-8 a UTF-16 unit.
  const texts = block.header.namespaceId.length + block.header.key.length + block.header.etag.length
  return frameFixedBytes + 64 + 3 * texts + block.bytes.length
}

/** A frame as it was read: a block, or why it is none. */
export type Frame = { readonly block: SmallBlock } | { readonly error: SkeinError }

/**
 * The frames of a request's body; the blocks are views of it. A frame that does not match its
 * checksum is an error of its own. @throws SkeinError invalid_argument when the body is cut, the
 * lengths make no sense, or there are too many
 */
export function decodeFrames(body: Buffer, framesMax: number): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < body.length;) {
    if (body.length - at < frameFixedBytes) throw cutFrames(frames.length)
    if (frames.length === framesMax) {
      throw new SkeinError('invalid_argument', `there are more than ${framesMax} blocks in one request`, {
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
    return { error: new SkeinError('invalid_argument', `the header of block frame ${index} cannot be read`) }
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
  return new SkeinError('invalid_argument', `the block frames end in the middle of number ${after}`, {
    reason: 'frames_cut',
  })
}

/** The answer to a POST: how many frames were read, and the errors by their index. */
export function encodeResults(results: readonly (SkeinError | undefined)[]): string {
  const failures: [number, ErrorJson][] = []
  for (const [index, error] of results.entries()) if (error !== undefined) failures.push([index, errorToJson(error)])
  return JSON.stringify({ count: results.length, failures })
}

/** The inverse of encodeResults; undefined when the text is no such answer for `count` blocks. */
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
