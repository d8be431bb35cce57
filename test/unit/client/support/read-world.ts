// Why: the reading half of the file system is tested against workers and a store that fail, move
// blocks and change files at any time. How: a master that answers from a map, data ports and a
// store over the same bytes; the real file reader and everything above it.
import { blockCount, blockIndexOf, fileIdOf, fileIdOfBlock } from '../../../../src/base/block-id.ts'
import { seededRandom, throwIfAborted } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { firstNameOf, placeWithin } from '../../../../src/base/paths.ts'
import { ConnectedFileSystem } from '../../../../src/client/connected-file-system.ts'
import type { FileSystem } from '../../../../src/client/file-system.ts'
import type { AheadMemory } from '../../../../src/client/open/ahead-memory.ts'
import { FileReads, type FileReadsOptions } from '../../../../src/client/open/file-reads.ts'
import { OpenedFiles } from '../../../../src/client/open/opened-files.ts'
import { FileReader } from '../../../../src/client/read/file-reader.ts'
import type { FileUpkeep } from '../../../../src/client/upkeep/file-upkeep.ts'
import type { FileChanges } from '../../../../src/client/write/file-changes.ts'
import type { ByteRange } from '../../../../src/wire/data/data-client.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { FileInfo, OpenFileResponse, WorkerInfo } from '../../../../src/wire/generated/master.ts'
import { ManualClock } from './manual-clock.ts'

export interface WorldFile {
  readonly bytes: Uint8Array
  readonly fileId: number
  readonly etag: string
  readonly blockSizeBytes: number
  /** The workers that have its blocks. */
  readonly workers: readonly string[]
}

export interface WorldRead {
  /** A worker, or `store`. */
  readonly source: string
  /** In the file. */
  readonly offset: number
  readonly length: number
}

export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8) * 17 + seed * 101) & 0xff
  return bytes
}

const chunkBytes = 10_000

export class ReadWorld {
  readonly clock = new ManualClock()
  readonly files = new Map<string, WorldFile>()
  /** What each worker has, by file id. */
  readonly blocks = new Map<string, Map<number, Uint8Array>>()
  /** What the store has, by key; absent: as the file says. */
  readonly storeEtags = new Map<string, string>()
  readonly reads: WorldRead[] = []
  readonly openCalls: string[] = []
  /** Workers in the order in which they were asked, also those that did not answer. */
  readonly asked: string[] = []
  readonly changes: string[] = []
  refreshes = 0
  /** Workers that do not answer. */
  readonly down = new Set<string>()
  /** Awaited before the bytes of each read. */
  beforeRead: (read: WorldRead) => Promise<void> = () => Promise.resolve()
  /** Called when the master is told to look at the store. */
  beforeRefresh: () => unknown = () => undefined
  /** What is in the memory of the reader. */
  kept: (blockId: number, range: ByteRange) => Uint8Array | undefined = () => undefined
  readsInFlight = 0
  #lastId = 10

  put(path: string, bytes: Uint8Array, more: Partial<WorldFile> = {}): WorldFile {
    this.#lastId += 1
    const fileId = fileIdOf(this.#lastId)
    const file = { bytes, fileId, etag: `v${this.#lastId}`, blockSizeBytes: 1000, workers: ['a', 'b'], ...more }
    this.files.set(path, file)
    for (const worker of file.workers) this.#blocksOf(worker).set(file.fileId, bytes)
    return file
  }

  /** The blocks of a file are somewhere else; the master knows, readers do not. */
  move(path: string, workers: readonly string[]): void {
    const file = this.files.get(path)
    if (file === undefined) throw new Error(`there is no ${path}`)
    for (const worker of file.workers) this.#blocksOf(worker).delete(file.fileId)
    this.files.set(path, { ...file, workers })
    for (const worker of workers) this.#blocksOf(worker).set(file.fileId, file.bytes)
  }

  /** @param here the worker on the reader's host, whose blocks are read from their files */
  fileSystem({ keepMs = 0, ahead, here }: { keepMs?: number; ahead?: AheadMemory; here?: string } = {}): FileSystem {
    const { clock } = this
    const opened = new OpenedFiles({ clock, keepMs })
    const master: FileReadsOptions['master'] = {
      openFile: async ({ path }, { signal }) => {
        throwIfAborted(signal)
        this.openCalls.push(path)
        return this.#opened(path)
      },
      getStatus: async ({ path }) => this.#info(path),
      listStatus: async () => ({ files: [], nextPageToken: '' }),
      refreshFile: async () => {
        this.refreshes += 1
        this.beforeRefresh()
        return { file: undefined }
      },
      count: () => Promise.reject(new SkeinError('unimplemented', 'this master does not count')),
      getClusterSummary: () => Promise.reject(new SkeinError('unimplemented', 'this master has no summary')),
    }
    const reader = new FileReader({
      master,
      data: {
        read: (address, blockId, range, signal) => this.#readBlock(address, blockId, range, signal),
        kept: (blockId, _expected, range) => this.kept(blockId, range),
      },
      origin: { readOrigin: (file, offset, length, signal) => this.#readStore(file, { offset, length }, signal) },
      near: {
        read: ({ worker, blockId }, range, signal) => this.#readBlock(worker.workerId, blockId, range, signal),
        readsFilesOf: () => true,
        readOpened: async () => false,
      },
      hostname: here ?? 'nowhere',
      random: seededRandom(1),
      logger: silentLogger,
    })
    const reads = new FileReads({ master, reader, opened, ahead, clock })
    const did = (what: string) => async (): Promise<void> => void this.changes.push(what)
    const changes: FileChanges = {
      create: async () => ({ write: did('write'), close: () => this.#closed(), abort: did('abort') }),
      makeDirectory: did('makeDirectory'),
      rename: did('rename'),
      delete: async () => (this.changes.push('delete'), { files: 1, directories: 0 }),
      setAttributes: async () => (this.changes.push('setAttributes'), { files: 1 }),
    }
    const free = async () => (this.changes.push('free'), { paths: [], bytes: 0 })
    const upkeep = { free } as Partial<FileUpkeep> as FileUpkeep
    return new ConnectedFileSystem({ reads, changes, upkeep, opened, disconnect: did('disconnect') })
  }

  #closed(): Promise<never> {
    return Promise.reject(new SkeinError('unavailable', 'the answer was lost', { reason: 'not_persisted' }))
  }

  #blocksOf(worker: string): Map<number, Uint8Array> {
    const blocks = this.blocks.get(worker) ?? new Map<number, Uint8Array>()
    this.blocks.set(worker, blocks)
    return blocks
  }

  #info(path: string): FileInfo {
    const file = this.files.get(path)
    if (file === undefined) throw new SkeinError('not_found', `${path} does not exist`)
    const { namespace, key } = placeWithin(firstNameOf(path), path)
    return FileInfo.fromPartial({
      ...{ path, name: key, namespaceId: namespace, key, length: file.bytes.length },
      ...{ fileId: file.fileId, etag: file.etag, blockSizeBytes: file.blockSizeBytes, replicationMax: -1 },
      persistenceState: file.etag === '' ? 'NOT_PERSISTED' : 'PERSISTED',
    })
  }

  #opened(path: string): OpenFileResponse {
    const info = this.#info(path)
    const { workers, bytes, blockSizeBytes } = this.files.get(path)!
    return OpenFileResponse.fromPartial({
      file: info,
      blocks: Array.from({ length: blockCount(bytes.length, blockSizeBytes) }, () => ({ workerIds: [...workers] })),
      workers: workers.map((id) => WorkerInfo.fromPartial({ workerId: id, hostname: id, dataAddress: id, live: true })),
    })
  }

  async *#readBlock(
    worker: string,
    blockId: number,
    { offset, length }: { offset: number; length: number },
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const fileId = fileIdOfBlock(blockId)
    const file = [...this.files.values()].find((one) => one.fileId === fileId)
    const start = blockIndexOf(blockId) * (file?.blockSizeBytes ?? 1000) + offset
    this.asked.push(worker)
    if (this.down.has(worker)) throw new SkeinError('unavailable', `${worker} is down`, { reason: 'unreachable' })
    const bytes = this.#blocksOf(worker).get(fileId)
    if (bytes === undefined) throw new SkeinError('not_found', `${worker} does not have block ${blockId}`)
    yield* this.#send(worker, bytes, start, length, signal)
  }

  async *#readStore(
    { path, etag }: FileInfo,
    { offset, length }: { offset: number; length: number },
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const file = this.files.get(path)
    if (file === undefined) throw new SkeinError('not_found', `${path} is not at the store`)
    if ((this.storeEtags.get(path) ?? file.etag) !== etag)
      throw new SkeinError('aborted', `${path} changed`, { reason: 'object_changed' })
    yield* this.#send('store', file.bytes, offset, length, signal)
  }

  async *#send(
    source: string,
    bytes: Uint8Array,
    offset: number,
    length: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const read = { source, offset, length }
    this.reads.push(read)
    this.readsInFlight += 1
    try {
      await this.beforeRead(read)
      for (let at = offset; at < offset + length; at += chunkBytes) {
        throwIfAborted(signal)
        if (this.down.has(source)) throw new SkeinError('unavailable', `${source} went away`, { reason: 'body_cut' })
        yield Buffer.from(bytes.subarray(at, Math.min(offset + length, at + chunkBytes)))
      }
    } finally {
      this.readsInFlight -= 1
    }
  }
}
