// A store, workers, a job master and a master of this room's tests: in memory, counting, and
// failing on request.
import type { StoredMetadata } from '../../../../src/base/attributes/object-metadata.ts'
import { createHash } from 'node:crypto'
import { type Clock, systemClock, throwIfAborted } from '../../../../src/base/clock.ts'
import { blockLength } from '../../../../src/base/block-id.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { BlockSink, BlockTarget, SmallBlock } from '../../../../src/client/write/block-target.ts'
import type { CachedBlocks } from '../../../../src/job-worker/set/set-verify.ts'
import type { Task } from '../../../../src/queue/queue.ts'
import type { ReadRequest, UnderFileSystem } from '../../../../src/ufs/under-file-system.ts'
import type {
  CompleteSetRequest,
  JobServiceDefinition,
  JobWorkerHeartbeatRequest,
  RegisterJobWorkerRequest,
  SetPiece,
  SetTarget,
  StartSetRequest,
} from '../../../../src/wire/generated/job.ts'
import type { WriteHints } from '../../../../src/wire/data/data-plane.ts'
import type { BlockHeader } from '../../../../src/wire/generated/worker.ts'
import type { RefreshFileResponse } from '../../../../src/wire/generated/master.ts'
import type { Service } from '../../../../src/wire/service.ts'

export const never = new AbortController().signal
export const mib = 1024 * 1024
/** Of tests in which nothing is verified. */
export const noCachedBlocks: CachedBlocks = {
  read: () => {
    throw new SkeinError('internal', 'no cached block was to be read')
  },
  free: async () => undefined,
}
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A clock that never makes anyone wait. */
export const hurriedClock: Clock = {
  ...systemClock,
  sleep: async (_ms, signal) => {
    await settle()
    throwIfAborted(signal)
  },
}

/** Bytes that any offset, key and version tell apart. */
export function contentOf(key: string, etag: string, length: number): Buffer {
  const seed = createHash('sha256').update(`${key} ${etag}`).digest()
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index += 1) bytes[index] = (seed[index % 32] ?? 0) ^ (index >> 5) ^ (index >> 13)
  return bytes
}

interface StoredObject {
  etag: string
  metadata?: StoredMetadata
  bytes: Buffer
}

export class FakeStore implements UnderFileSystem {
  readonly objects = new Map<string, StoredObject>()
  readonly reads: ReadRequest[] = []
  readBytes = 0
  openReads = 0
  closed = false
  /** Called before each chunk: may throw, wait, or change the store. */
  beforeChunk: (request: ReadRequest, offset: number) => void | Promise<void> = () => undefined
  /** Ends a read so many bytes early, without an error. */
  cutBytes: (key: string) => number = () => 0
  chunkBytes = 64 * 1024
  readonly counters = { readBytes: 0, readRequests: 0 }

  put(key: string, etag: string, length: number): void {
    this.objects.set(key, { etag, bytes: contentOf(key, etag, length) })
  }
  describe(key: string, metadata: StoredMetadata): void {
    const object = this.objects.get(key)
    if (object !== undefined) object.metadata = metadata
  }
  #object({ key, etag }: ReadRequest): StoredObject {
    const object = this.objects.get(key)
    if (object === undefined) throw new SkeinError('not_found', `no object ${key}`)
    if (object.etag !== etag) throw new SkeinError('aborted', `${key} changed`, { reason: 'object_changed' })
    return object
  }
  async *read(request: ReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.reads.push(request)
    this.openReads += 1
    try {
      // A store serves an open body from the version that it began with.
      const { bytes, metadata = {} } = this.#object(request)
      request.onMetadata?.(metadata)
      const end = request.offset + request.length - this.cutBytes(request.key)
      for (let at = request.offset; at < end; at += this.chunkBytes) {
        await this.beforeChunk(request, at)
        throwIfAborted(signal)
        const chunk = bytes.subarray(at, Math.min(end, at + this.chunkBytes))
        this.readBytes += chunk.length
        yield chunk
      }
    } finally {
      this.openReads -= 1
    }
  }
  async readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    this.reads.push(request)
    await this.beforeChunk(request, 0)
    throwIfAborted(signal)
    const { bytes, metadata = {} } = this.#object(request)
    request.onMetadata?.(metadata)
    const taken = bytes.subarray(0, request.length - this.cutBytes(request.key))
    this.readBytes += taken.length
    return taken
  }
  async close(): Promise<void> {
    this.closed = true
  }
  check = async (): Promise<void> => undefined
  stat(): never {
    throw new Error('not used')
  }
  list(): never {
    throw new Error('not used')
  }
  write(): never {
    throw new Error('not used')
  }
  beginUpload(): never {
    throw new Error('not used')
  }
  delete(): never {
    throw new Error('not used')
  }
  copy(): never {
    throw new Error('not used')
  }
  rename(): never {
    throw new Error('not used')
  }
  renameOver(): never {
    throw new Error('not used')
  }
}

export class FakeTarget implements BlockTarget {
  readonly workerId: string
  readonly blocks = new Map<number, { header: BlockHeader; bytes: Buffer }>()
  openSinks = 0
  opens = 0
  puts = 0
  aborted = 0
  /** Called at open, write, commit and put: may throw or wait. */
  before: (step: 'open' | 'write' | 'commit' | 'put', header: BlockHeader, offset: number) => void | Promise<void> =
    () => undefined

  constructor(workerId: string) {
    this.workerId = workerId
  }
  async open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined> {
    this.opens += 1
    await this.before('open', header, 0)
    throwIfAborted(signal)
    if (this.blocks.has(header.blockId)) return undefined
    this.openSinks += 1
    const chunks: Buffer[] = []
    let offset = 0
    let open = true
    const end = (): void => {
      if (open) this.openSinks -= 1
      open = false
    }
    return {
      write: async (chunk) => {
        if (!open) throw new Error('written after its end')
        await this.before('write', header, offset)
        chunks.push(Buffer.from(chunk))
        offset += chunk.length
      },
      commit: async (length = header.length) => {
        if (!open) throw new Error('committed after its end')
        await this.before('commit', header, offset)
        if (length !== header.length && hints?.openEnded !== true) throw new Error('ended early')
        this.blocks.set(header.blockId, { header: { ...header, length }, bytes: Buffer.concat(chunks) })
        end()
      },
      abort: async () => {
        if (open) this.aborted += 1
        end()
      },
    }
  }
  async put({ header, bytes }: SmallBlock): Promise<void> {
    this.puts += 1
    await this.before('put', header, 0)
    this.blocks.set(header.blockId, { header, bytes: Buffer.from(bytes) })
  }
}

export class FakeJobMaster {
  sets = new Map<number, { pieces: SetPiece[]; targets: string[] }>()
  readonly completed: CompleteSetRequest[] = []
  readonly starts: StartSetRequest[] = []
  readonly registered: RegisterJobWorkerRequest[] = []
  readonly heartbeats: JobWorkerHeartbeatRequest[] = []
  registrations = 0
  refusedHeartbeats = 0
  session = ''
  cancelledLoads: string[] = []
  /** Thrown by every call while it is set. */
  down: SkeinError | undefined
  /** Thrown by CompleteSet while it is set. */
  refusal: SkeinError | undefined

  #check(session: string | undefined): void {
    if (this.down !== undefined) throw this.down
    if (session !== undefined && session !== this.session) throw new SkeinError('failed_precondition', 'register again')
  }
  readonly service: Pick<
    Service<JobServiceDefinition>,
    'registerJobWorker' | 'jobWorkerHeartbeat' | 'startSet' | 'completeSet'
  > = {
    registerJobWorker: async (request) => {
      const { jobWorkerId } = request
      this.#check(undefined)
      this.registered.push(request)
      this.registrations += 1
      this.session = `session-${this.registrations}`
      return { session: this.session, lane: `lane-${jobWorkerId}` }
    },
    jobWorkerHeartbeat: async (request) => {
      if (request.session !== this.session) this.refusedHeartbeats += 1
      this.#check(request.session)
      this.heartbeats.push(request)
      return { cancelledLoads: this.cancelledLoads }
    },
    startSet: async (request) => {
      this.#check(request.session)
      this.starts.push(request)
      const set = this.sets.get(request.set)
      if (set === undefined) return { obsolete: true, namespaceId: '', pieces: [], targets: [], sources: [] }
      const address = (workerId: string): SetTarget => ({ workerId, hostname: '', rpcAddress: '', dataAddress: '' })
      const targets = set.targets.map(address)
      const sources = [...new Set(set.pieces.flatMap(({ sourceIds }) => sourceIds))]
      return { obsolete: false, namespaceId: 'n1', pieces: set.pieces, targets, sources: sources.map(address) }
    },
    completeSet: async (request) => {
      this.#check(request.session)
      if (this.refusal !== undefined) throw this.refusal
      this.completed.push(request)
      return {}
    },
  }
}

export class FakeMaster {
  readonly refreshed: string[] = []
  answer: (key: string) => RefreshFileResponse = (key) => {
    throw new SkeinError('not_found', `${key} is gone`)
  }
  readonly service = {
    refreshFile: async ({ key }: { key: string }): Promise<RefreshFileResponse> => {
      this.refreshed.push(key)
      return this.answer(key)
    },
  }
}

export function pieceOf(fileId: number, key: string, etag: string, length: number, blockSizeBytes: number): SetPiece {
  return {
    fileId,
    key,
    etag,
    length,
    blockSizeBytes,
    firstBlock: 0,
    blockCount: Math.ceil(length / blockSizeBytes),
    sourceIds: [],
  }
}

export function taskOf(set: number, attempt = 1): Task {
  return { id: `L1-s${set}-a${attempt}`, loadId: 'L1', set, attempt, bytes: 1, priority: 0 }
}

/** What a target should hold of one block. */
export function expectedBlock({ key, etag, length, blockSizeBytes }: SetPiece, index: number): Buffer {
  const offset = index * blockSizeBytes
  return contentOf(key, etag, length).subarray(offset, offset + blockLength(length, blockSizeBytes, index))
}
