// Why: the file system in memory (memory-file-system.ts) is looked after as one of a cluster is
// (client/upkeep/file-upkeep.ts). How: a file with an ETag is at the store, whose address is
// `memory://`; one worker has the blocks of what is cached.
import { blockCount } from '../../src/base/block-id.ts'
import { SkeinError } from '../../src/base/errors.ts'
import { formatPath, type NamespacePath } from '../../src/base/paths.ts'
import type { CallSignal, FileStatus, FileSystem, ListOptions, StatOptions } from '../../src/client/file-system.ts'
import type {
  CheckedConsistency,
  CheckOptions,
  FileDetails,
  FilePlacement,
  FileUpkeep,
  FreedFiles,
  FreeOptions,
  LoadedMetadata,
  LoadMetadataOptions,
  PersistedFiles,
} from '../../src/client/upkeep/file-upkeep.ts'
import type { MemoryNode } from './memory-listing.ts'

export interface MemoryUpkeepParts {
  readonly files: Pick<FileSystem, 'stat' | 'list'>
  readonly placeOf: (path: string) => NamespacePath
  /** The file at a path, or all files below a directory. */
  readonly filesAt: (path: string) => Promise<readonly MemoryNode[]>
  /** Puts nodes in the place of those of their keys, in the namespace of the path. */
  readonly put: (path: string, nodes: readonly MemoryNode[]) => void
  readonly newFileId: () => number
}

const worker = { workerId: 'memory', hostname: 'memory', rpcAddress: 'memory:1' }

export class MemoryUpkeep implements FileUpkeep {
  readonly #parts: MemoryUpkeepParts

  constructor(parts: MemoryUpkeepParts) {
    this.#parts = parts
  }

  async details(path: string, options?: StatOptions): Promise<FileDetails> {
    return this.#detailsOf(await this.#parts.files.stat(path, options))
  }

  async *listDetails(path: string, options?: ListOptions): AsyncGenerator<readonly FileDetails[]> {
    for await (const page of this.#parts.files.list(path, options))
      yield page.map((status) => ({ ...this.#detailsOf(status), contentType: '', userMetadata: {} }))
  }

  async placement(path: string, options?: StatOptions): Promise<FilePlacement> {
    const file = await this.details(path, options)
    if (file.kind === 'directory') throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
    const count = file.cachedBytes === 0 ? 0 : blockCount(file.length, file.blockSizeBytes)
    const blocks = Array.from({ length: count }, () => ({ workerIds: [worker.workerId] }))
    return { file, blocks, workers: count === 0 ? [] : [worker] }
  }

  async free(path: string, { force = false }: FreeOptions = {}): Promise<FreedFiles> {
    const nodes = await this.#parts.filesAt(path)
    if (nodes.some(({ etag }) => etag === '')) throw new SkeinError('failed_precondition', `${path} is not persisted`)
    if (!force && nodes.some(({ pinned }) => pinned === true))
      throw new SkeinError('failed_precondition', `${path} is pinned`)
    const freed = nodes.filter(({ isFreed }) => isFreed !== true)
    const { put, newFileId } = this.#parts
    const { namespace } = this.#parts.placeOf(path)
    const asFreed = freed.map((node) => ({ ...node, isFreed: true, fileId: newFileId() }))
    put(path, asFreed)
    return {
      paths: freed.map(({ key }) => formatPath({ namespace, key })),
      bytes: freed.reduce((sum, { bytes }) => sum + bytes.length, 0),
    }
  }

  async persist(path: string, _options?: CallSignal): Promise<PersistedFiles> {
    const nodes = await this.#parts.filesAt(path)
    const written = nodes.filter(({ etag }) => etag === '')
    const asPersisted = written.map((node) => ({ ...node, etag: `memory-${node.fileId}` }))
    this.#parts.put(path, asPersisted)
    return { persisted: written.length, already: nodes.length - written.length, failures: [] }
  }

  /** The store is looked at with every question. */
  async loadMetadata(path: string, _options?: LoadMetadataOptions): Promise<LoadedMetadata> {
    const nodes = await this.#parts.filesAt(path)
    return { added: 0, changed: 0, removed: 0, unchanged: nodes.filter(({ etag }) => etag !== '').length }
  }

  async checkConsistency(path: string, _options?: CheckOptions): Promise<CheckedConsistency> {
    await this.#parts.filesAt(path)
    return { inconsistent: [], total: 0, repaired: false }
  }

  #detailsOf(status: FileStatus): FileDetails {
    const { namespace, key } = this.#parts.placeOf(status.path)
    const isFile = status.kind === 'file'
    return {
      ...status,
      // The list of the namespaces is at no store.
      storeUri: key === '' && !status.isMountPoint ? '' : `memory://${namespace}/${key}`,
      namespaceId: namespace,
      key: isFile || key === '' || key.endsWith('/') ? key : `${key}/`,
      accessedMs: status.modifiedMs,
      inMemoryBytes: isFile ? status.cachedBytes : undefined,
      replicas: isFile && status.cachedBytes > 0 ? 1 : 0,
      mayHaveMoved: isFile ? false : undefined,
      ttlAction: status.ttl?.action ?? 'FREE',
    }
  }
}
