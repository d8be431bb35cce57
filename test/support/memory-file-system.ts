// Why: doors are tested against the contract of a file system (client/file-system.ts), without a
// cluster. How: each namespace is a sorted list of keys in memory. A directory of which only its
// entries are known has no row of its own; it is derived from their keys.
import type { Clock } from '../../src/base/clock.ts'
import { SkeinError } from '../../src/base/errors.ts'
import { type Ownership, ownershipOf } from '../../src/base/attributes/ownership.ts'
import { setTimesOf, type Timed } from '../../src/base/attributes/set-times.ts'
import {
  formatPath,
  internalKeyPrefix,
  isHiddenKey,
  keyProblem,
  type NamespacePath,
  parsePath,
} from '../../src/base/paths.ts'
import type {
  AttributeChanges,
  BlockLocation,
  CacheUsage,
  CallSignal,
  CreateOptions,
  DeleteOptions,
  FileHandle,
  FileOutput,
  FileStatus,
  FileSystem,
  ListOptions,
  ObjectMetadata,
  PathSummary,
  PlacingOptions,
  RenameOptions,
  StatOptions,
} from '../../src/client/file-system.ts'
import { checkBytes, checkOptions, checkPath } from '../../src/client/given-options.ts'
import { firstAtOrAfter, listedEntries, type MemoryNode } from './memory-listing.ts'
import { checkMetadata } from './memory-metadata.ts'
import { MemoryFile } from './memory-file.ts'
import { directoryOf, directoryStatus, fileStatus } from './memory-status.ts'

interface Namespace {
  readonly name: string
  readonly readOnly: boolean
  /** In the order of the keys' UTF-8 bytes. The key of a directory ends in `/`. */
  readonly nodes: MemoryNode[]
}

/** A file as a store has it. */
export interface PlantedFile extends Partial<ObjectMetadata> {
  readonly bytes: Uint8Array
  readonly etag: string
}

const blockSizeBytes = 1024 * 1024
const chunkBytes = 64 * 1024
const memoryBytes = 1024 * 1024 * 1024

export class MemoryFileSystem implements FileSystem {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #namespaces = new Map<string, Namespace>()
  /** Of directories, by path. */
  readonly #ownership = new Map<string, Ownership & Timed>()
  #lastFileId = 1000
  /** Outputs that are neither closed nor aborted. */
  unfinished = 0
  /** Handles that are not closed. */
  openHandles = 0

  constructor(clock: Pick<Clock, 'nowMs'>, namespaces: readonly string[]) {
    this.#clock = clock
    for (const name of namespaces) this.addNamespace(name)
  }

  addNamespace(name: string, readOnly = false): void {
    this.#namespaces.set(name, { name, readOnly, nodes: [] })
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name)
  }

  /** Puts a file there as another client of the store does; its key may end in `/`. */
  plant(path: string, { bytes, etag, ...metadata }: PlantedFile): void {
    const { namespace, key } = this.#parse(path)
    this.#put(namespace, this.#node(key, bytes, { ...metadata, etag }))
  }

  async stat(path: string, options?: StatOptions): Promise<FileStatus> {
    await begun('stat', path, options)
    if (path === '/') return directoryStatus('/', '', undefined, false, 0)
    const { namespace, key } = this.#parse(path)
    const node = key.endsWith('/') ? undefined : this.#fileAt(namespace, key)
    return node === undefined ? this.#directory(namespace, key) : fileStatus(namespace.name, node)
  }

  async *list(path: string, options: ListOptions = {}): AsyncGenerator<readonly FileStatus[]> {
    await begun('list', path, options)
    const size = options.pageSize ?? 1000
    let page: FileStatus[] = []
    for (const entry of this.#entries(path, options)) {
      page.push(entry)
      if (page.length < size) continue
      yield page
      page = []
      await settled(options.signal)
    }
    if (page.length > 0) yield page
  }

  async open(path: string, options?: StatOptions): Promise<FileHandle> {
    await begun('open', path, options)
    const { namespace, key } = this.#parse(path)
    const node = this.#fileAt(namespace, key)
    if (node === undefined) {
      this.#directory(namespace, key)
      throw new SkeinError('failed_precondition', `${path} is a directory`)
    }
    this.openHandles += 1
    return new MemoryFile(node.bytes, fileStatus(namespace.name, node), chunkBytes, () => (this.openHandles -= 1))
  }

  async create(path: string, options: CreateOptions = {}): Promise<FileOutput> {
    await begun('create', path, options)
    const { namespace, key } = this.#parse(path)
    if (key === '' || key.endsWith('/'))
      throw new SkeinError('invalid_argument', `${path} cannot be written: remove the slash at the end`)
    checkWritable(namespace)
    checkMetadata(options)
    this.#checkTarget(namespace, key, options)
    this.unfinished += 1
    let isOpen = true
    const end = (): void => {
      if (isOpen) this.unfinished -= 1
      isOpen = false
    }
    const chunks: Uint8Array[] = []
    return {
      write: async (chunk) => {
        try {
          checkBytes(chunk)
          await settled(options.signal)
        } catch (thrown) {
          end()
          throw thrown
        }
        if (!isOpen) throw new SkeinError('failed_precondition', `${path} is not being written any more`)
        chunks.push(Uint8Array.from(chunk))
      },
      close: async (metadata = {}) => {
        checkOptions('close', metadata)
        await settled(options.signal)
        if (!isOpen) throw new SkeinError('failed_precondition', `${path} is not being written any more`)
        end()
        checkMetadata(metadata)
        this.#checkTarget(namespace, key, options)
        const node = this.#node(key, Buffer.concat(chunks), { ...options, ...metadata })
        this.#put(namespace, node)
        return fileStatus(namespace.name, node)
      },
      abort: () => Promise.resolve(end()),
    }
  }

  async makeDirectory(path: string, options: PlacingOptions = {}): Promise<void> {
    await begun('makeDirectory', path, options)
    const { namespace, key } = this.#parse(path)
    checkWritable(namespace)
    const directoryKey = key.endsWith('/') || key === '' ? key : `${key}/`
    if (directoryKey === '') return
    if (options.asObject !== true) this.#checkNotBelowFile(namespace, directoryKey)
    if (options.asObject !== true && this.#fileAt(namespace, directoryKey.slice(0, -1)) !== undefined)
      throw new SkeinError('already_exists', `${path} is a file`)
    if (this.#nodeAt(namespace, directoryKey) === undefined)
      this.#put(namespace, { ...this.#node(directoryKey, Buffer.alloc(0), {}), kind: 'directory' })
  }

  async rename(from: string, to: string, options: RenameOptions = {}): Promise<void> {
    checkPath(to)
    await begun('rename', from, options)
    const { ifExists } = options
    const [source, target] = [this.#parse(from), this.#parse(to)]
    checkWritable(source.namespace)
    checkWritable(target.namespace)
    if (source.namespace !== target.namespace)
      throw new SkeinError('invalid_argument', 'a rename stays in its namespace')
    const file = this.#fileAt(source.namespace, source.key)
    if (file !== undefined && target.key.endsWith('/'))
      throw new SkeinError('invalid_argument', `${to} is no name of a file`)
    const mayReplace = file !== undefined && ifExists === 'overwrite'
    const moved = file === undefined ? this.#below(source.namespace, source.key) : [file]
    if (moved.length === 0) throw notFound(from)
    this.#checkTarget(target.namespace, target.key, mayReplace ? { ifExists } : {})
    const leaves = isHiddenKey(source.key) && !isHiddenKey(target.key)
    if ((leaves && file === undefined) || (!isHiddenKey(source.key) && isHiddenKey(target.key)))
      throw new SkeinError('failed_precondition', `${from} is not moved out of or into ${internalKeyPrefix}`)
    for (const node of moved) {
      this.#remove(source.namespace, node.key)
      const key = target.key + node.key.slice(source.key.length)
      this.#put(target.namespace, { ...node, key, ...(leaves && { ttl: undefined }) })
    }
  }

  async delete(path: string, options: DeleteOptions = {}): Promise<void> {
    await begun('delete', path, options)
    const { namespace, key } = this.#parse(path)
    checkWritable(namespace)
    const file = key.endsWith('/') ? undefined : this.#fileAt(namespace, key)
    if (file !== undefined) return this.#remove(namespace, key)
    this.#directory(namespace, key)
    const below = this.#below(namespace, key)
    const own = key.endsWith('/') ? key : `${key}/`
    const hasEntries = below.some((node) => node.key !== own || node.kind === 'file')
    if (hasEntries && options.recursive !== true && options.keepEntries !== true)
      throw new SkeinError('failed_precondition', `${path} is not empty`)
    for (const node of below)
      if (options.recursive === true || (node.key === own && node.kind === 'directory'))
        this.#remove(namespace, node.key)
  }

  async setAttributes(path: string, changes: AttributeChanges): Promise<void> {
    await begun('setAttributes', path, changes)
    const { clientMetadata, ttl, replicationMin } = changes
    const { namespace, key } = this.#parse(path)
    checkMetadata(clientMetadata === undefined ? {} : { clientMetadata })
    const node = this.#fileAt(namespace, key)
    if (node === undefined) {
      const { path: own } = this.#directory(namespace, key)
      const times = setTimesOf(changes.times ?? {})
      const before = this.#ownership.get(own)
      const timed = times === undefined ? {} : { times: { ...before?.times, ...times } }
      this.#ownership.set(own, { ...before, ...ownershipOf(changes), ...timed })
      if (clientMetadata !== undefined) throw new SkeinError('failed_precondition', `${path} is a directory`)
      return
    }
    const expiry = ttl === undefined ? {} : { ttl: ttl === 'none' ? undefined : { ...ttl, setMs: this.#clock.nowMs() } }
    const counted = replicationMin === undefined ? {} : { replicationMin }
    const own = { ...node.ownership, ...ownershipOf(changes) }
    const told = clientMetadata === undefined ? {} : { clientMetadata }
    const times = changes.times === undefined ? {} : { times: { ...node.times, ...setTimesOf(changes.times) } }
    this.#put(namespace, { ...node, ...told, ...expiry, ...counted, ...times, ownership: own })
  }

  async blockLocations(path: string): Promise<readonly BlockLocation[]> {
    checkPath(path)
    return []
  }

  async summary(path: string, options?: StatOptions): Promise<PathSummary> {
    await begun('stat', path, options)
    const paths = path === '/' ? [...this.#namespaces.keys()].map((name) => `/${name}`) : [path]
    const total = { files: 0, directories: 0, bytes: 0, cachedBytes: 0 }
    for (const each of paths) {
      const self = await this.stat(each)
      const entries = self.kind === 'file' ? [self] : [self, ...this.#entries(each, { recursive: true })]
      total.files += entries.filter(({ kind }) => kind === 'file').length
      total.directories += entries.filter(({ kind }) => kind === 'directory').length
      for (const { length, cachedBytes } of entries) {
        total.bytes += length
        total.cachedBytes += cachedBytes
      }
    }
    return total
  }

  async usage({ signal }: CallSignal = {}): Promise<CacheUsage> {
    await settled(signal)
    const { bytes } = await this.summary('/')
    return { capacityBytes: memoryBytes, usedBytes: bytes }
  }

  append(): Promise<never> {
    return Promise.reject(new SkeinError('unimplemented', 'files cannot be appended to'))
  }

  truncate(): Promise<never> {
    return Promise.reject(new SkeinError('unimplemented', 'files cannot be truncated'))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #entries(path: string, options: ListOptions): FileStatus[] {
    if (path === '/') {
      const names = [...this.#namespaces.keys()].toSorted()
      return names.map((name) => directoryStatus(`/${name}`, name, undefined, true, 0))
    }
    const { namespace, key } = this.#parse(path)
    const file = key.endsWith('/') ? undefined : this.#fileAt(namespace, key)
    if (file !== undefined) return [fileStatus(namespace.name, file)]
    this.#directory(namespace, key)
    const prefix = key === '' || key.endsWith('/') ? key : `${key}/`
    const isInternal = prefix.startsWith(internalKeyPrefix)
    return listedEntries(this.#live(namespace), prefix, options)
      .filter((entry) => isInternal || !entry.key.startsWith(internalKeyPrefix))
      .map(({ key: entryKey, node }) =>
        node?.kind === 'file'
          ? fileStatus(namespace.name, node)
          : this.#owned(directoryOf(namespace.name, entryKey, node?.modifiedMs)),
      )
  }

  #parse(path: string): { readonly namespace: Namespace; readonly key: string } {
    const parsed: NamespacePath = parsePath(path)
    if (parsed.namespace === '') throw new SkeinError('invalid_argument', '/ is the list of the namespaces')
    const namespace = this.#namespaces.get(parsed.namespace)
    if (namespace === undefined) throw new SkeinError('not_found', `namespace '${parsed.namespace}' does not exist`)
    return { namespace, key: parsed.key }
  }

  #node(key: string, bytes: Uint8Array, given: CreateOptions & { readonly etag?: string }): MemoryNode {
    const problem = keyProblem(key)
    if (problem !== undefined) throw new SkeinError('invalid_argument', problem)
    this.#lastFileId += 1
    const nowMs = this.#clock.nowMs()
    return {
      kind: 'file',
      key,
      bytes,
      fileId: this.#lastFileId,
      etag: given.etag ?? '',
      modifiedMs: nowMs,
      contentType: given.contentType ?? '',
      userMetadata: given.userMetadata ?? {},
      clientMetadata: given.clientMetadata ?? {},
      ttl: given.ttl === undefined ? undefined : { ...given.ttl, setMs: nowMs },
      ownership: ownershipOf(given),
      replicationMin: 0,
      blockSizeBytes: given.blockSizeBytes ?? blockSizeBytes,
    }
  }

  #directory(namespace: Namespace, key: string): FileStatus {
    if (key === '') return directoryStatus(`/${namespace.name}`, namespace.name, undefined, true, 0)
    const directoryKey = key.endsWith('/') ? key : `${key}/`
    const below = this.#below(namespace, directoryKey)
    const own = below.find((node) => node.key === directoryKey && node.kind === 'directory')
    if (below.length === 0) throw notFound(formatPath({ namespace: namespace.name, key }))
    return this.#owned(directoryOf(namespace.name, directoryKey, own?.modifiedMs))
  }

  #owned(status: FileStatus): FileStatus {
    return { ...status, ...this.#ownership.get(status.path) }
  }

  #checkTarget(namespace: Namespace, key: string, { ifExists, ifFileId, asObject }: CreateOptions): void {
    const path = formatPath({ namespace: namespace.name, key })
    const file = this.#fileAt(namespace, key)
    if (ifFileId !== undefined && file?.fileId !== ifFileId)
      throw new SkeinError('aborted', `${path} was changed or removed meanwhile`, {
        reason: 'file_changed',
        retryable: false,
      })
    if (file !== undefined && ifExists !== 'overwrite') throw new SkeinError('already_exists', `${path} exists already`)
    if (asObject === true) return
    this.#checkNotBelowFile(namespace, key)
    if (this.#below(namespace, `${key}/`).length > 0)
      throw new SkeinError('failed_precondition', `${path} is a directory`)
  }

  #checkNotBelowFile(namespace: Namespace, key: string): void {
    for (let slash = key.lastIndexOf('/', key.length - 2); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
      if (this.#below(namespace, key.slice(0, slash + 1)).length > 0) return
      if (this.#fileAt(namespace, key.slice(0, slash)) !== undefined)
        throw new SkeinError('failed_precondition', `${key.slice(0, slash)} is a file`)
    }
  }

  #live({ nodes }: Namespace): MemoryNode[] {
    const nowMs = this.#clock.nowMs()
    return nodes.filter(({ ttl }) => ttl?.action !== 'DELETE' || ttl.setMs + ttl.ms > nowMs)
  }

  #nodeAt(namespace: Namespace, key: string): MemoryNode | undefined {
    const nodes = this.#live(namespace)
    const node = nodes[firstAtOrAfter(nodes, key)]
    return node?.key === key ? node : undefined
  }

  #fileAt(namespace: Namespace, key: string): MemoryNode | undefined {
    const node = this.#nodeAt(namespace, key)
    return node?.kind === 'file' ? node : undefined
  }

  /** All nodes below a directory's key, its own included. */
  #below(namespace: Namespace, key: string): MemoryNode[] {
    const prefix = key.endsWith('/') ? key : `${key}/`
    return this.#live(namespace).filter((node) => node.key.startsWith(prefix))
  }

  #put({ nodes }: Namespace, node: MemoryNode): void {
    const index = firstAtOrAfter(nodes, node.key)
    nodes.splice(index, nodes[index]?.key === node.key ? 1 : 0, node)
  }

  #remove({ nodes }: Namespace, key: string): void {
    const index = firstAtOrAfter(nodes, key)
    if (nodes[index]?.key === key) nodes.splice(index, 1)
  }
}

function checkWritable({ name, readOnly }: Namespace): void {
  if (readOnly) throw new SkeinError('failed_precondition', `namespace ${name} is read-only`, { reason: 'read_only' })
}

function notFound(path: string): SkeinError {
  return new SkeinError('not_found', `${path} does not exist`)
}

async function begun(
  method: Parameters<typeof checkOptions>[0],
  path: string,
  options: CallSignal | undefined,
): Promise<void> {
  checkPath(path)
  checkOptions(method, options)
  await settled(options?.signal)
}

/** Every call takes a turn of the event loop, as it does over a network. */
async function settled(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await Promise.resolve()
}
