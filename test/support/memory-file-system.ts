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
  namespaceNeeded,
  type NamespacePath,
  placeOfPath,
} from '../../src/base/paths.ts'
import type {
  AttributeChanges,
  CallSignal,
  CreateOptions,
  DeletedEntries,
  DeleteOptions,
  FileHandle,
  FileOutput,
  FileStatus,
  ListOptions,
  ObjectMetadata,
  PlacingOptions,
  RenameOptions,
  StatOptions,
} from '../../src/client/file-system.ts'
import type { BlockLocation, CacheUsage, PathSummary } from '../../src/client/status/amounts.ts'
import type { FileUpkeep, WholeFileSystem } from '../../src/client/upkeep/file-upkeep.ts'
import { checkBytes, checkOptions, checkPath } from '../../src/client/given-options.ts'
import { listedEntries, type MemoryNode, placedBelowRoot } from './memory-listing.ts'
import { checkMetadata } from './memory-metadata.ts'
import { MemoryFile } from './memory-file.ts'
import { checkNamed, MemoryNamespace } from './memory-namespace.ts'
import { changedMode, directoryOf, directoryStatus, fileStatus } from './memory-status.ts'
import { MemoryUpkeep } from './memory-upkeep.ts'

/** A file as a store has it. */
export interface PlantedFile extends Partial<ObjectMetadata> {
  readonly bytes: Uint8Array
  readonly etag: string
}

const blockSizeBytes = 1024 * 1024
const chunkBytes = 64 * 1024
const memoryBytes = 1024 * 1024 * 1024

export class MemoryFileSystem implements WholeFileSystem {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #namespaces = new Map<string, MemoryNamespace>()
  /** Of directories, by path. */
  readonly #ownership = new Map<string, Ownership & Timed>()
  #lastFileId = 1000
  readonly #upkeep = new MemoryUpkeep({
    files: this,
    placeOf: (path) => this.#placeIn(path),
    filesAt: (path) => this.#filesAt(path),
    put: (path, nodes) => nodes.forEach((node) => this.#parse(path).namespace.put(node)),
    newFileId: () => (this.#lastFileId += 1),
  })
  readonly details: FileUpkeep['details'] = (...asked) => this.#upkeep.details(...asked)
  readonly listDetails: FileUpkeep['listDetails'] = (...asked) => this.#upkeep.listDetails(...asked)
  readonly placement: FileUpkeep['placement'] = (...asked) => this.#upkeep.placement(...asked)
  readonly free: FileUpkeep['free'] = (...asked) => this.#upkeep.free(...asked)
  readonly persist: FileUpkeep['persist'] = (...asked) => this.#upkeep.persist(...asked)
  readonly loadMetadata: FileUpkeep['loadMetadata'] = (...asked) => this.#upkeep.loadMetadata(...asked)
  readonly checkConsistency: FileUpkeep['checkConsistency'] = (...asked) => this.#upkeep.checkConsistency(...asked)
  /** Outputs that are neither closed nor aborted. */
  unfinished = 0
  /** Handles that are not closed. */
  openHandles = 0

  constructor(clock: Pick<Clock, 'nowMs'>, namespaces: readonly string[]) {
    this.#clock = clock
    for (const name of namespaces) this.addNamespace(name)
  }

  addNamespace(name: string, readOnly = false): void {
    this.#namespaces.set(name, new MemoryNamespace(name, readOnly, this.#clock))
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name)
  }

  /** Puts a file there as another client of the store does; its key may end in `/`. */
  plant(path: string, { bytes, etag, ...metadata }: PlantedFile): void {
    const { namespace, key } = this.#parse(path)
    namespace.put(this.#node(key, bytes, { ...metadata, etag }))
  }

  async stat(path: string, options?: StatOptions): Promise<FileStatus> {
    await begun('stat', path, options)
    if (path === '/') return directoryStatus('/', '', undefined, this.#namespaces.has(''), 0)
    const { namespace, key } = this.#parse(path)
    const node = key.endsWith('/') ? undefined : namespace.fileAt(key)
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
    const node = namespace.fileAt(key)
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
    namespace.checkWritable()
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
        namespace.put(node)
        return fileStatus(namespace.name, node)
      },
      abort: () => Promise.resolve(end()),
    }
  }

  async makeDirectory(path: string, options: PlacingOptions = {}): Promise<void> {
    await begun('makeDirectory', path, options)
    const { namespace, key } = this.#parse(path)
    namespace.checkWritable()
    const directoryKey = key.endsWith('/') || key === '' ? key : `${key}/`
    if (directoryKey === '') return
    if (options.asObject !== true) namespace.checkNotBelowFile(directoryKey)
    if (options.asObject !== true && namespace.fileAt(directoryKey.slice(0, -1)) !== undefined)
      throw new SkeinError('already_exists', `${path} is a file`)
    if (namespace.nodeAt(directoryKey) === undefined)
      namespace.put({ ...this.#node(directoryKey, Buffer.alloc(0), {}), kind: 'directory' })
  }

  async rename(from: string, to: string, options: RenameOptions = {}): Promise<void> {
    checkPath(to)
    await begun('rename', from, options)
    const { ifExists, fileId } = options
    const [source, target] = [this.#parse(from), this.#parse(await this.#placeOf(from, to, options))]
    if (fileId !== undefined && target.namespace.fileAt(target.key)?.fileId === fileId) return
    source.namespace.checkWritable()
    target.namespace.checkWritable()
    if (source.namespace !== target.namespace)
      throw new SkeinError('invalid_argument', 'a rename stays in its namespace')
    const file = source.namespace.fileAt(source.key)
    if (file !== undefined && target.key.endsWith('/'))
      throw new SkeinError('invalid_argument', `${to} is no name of a file`)
    const mayReplace = file !== undefined && ifExists === 'overwrite'
    const moved = file === undefined ? source.namespace.below(source.key) : [file]
    if (moved.length === 0) throw notFound(from)
    if (target.namespace.below(`${target.key.replace(/\/$/, '')}/`).length > 0)
      throw new SkeinError('already_exists', `${to} is a directory`)
    this.#checkTarget(target.namespace, target.key, mayReplace ? { ifExists } : {})
    const leaves = isHiddenKey(source.key) && !isHiddenKey(target.key)
    if ((leaves && file === undefined) || (!isHiddenKey(source.key) && isHiddenKey(target.key)))
      throw new SkeinError('failed_precondition', `${from} is not moved out of or into ${internalKeyPrefix}`)
    for (const node of moved) {
      source.namespace.remove(node.key)
      const key = target.key + node.key.slice(source.key.length)
      target.namespace.put({ ...node, key, ...(leaves && { ttl: undefined }) })
    }
  }

  async delete(path: string, options: DeleteOptions = {}): Promise<DeletedEntries> {
    await begun('delete', path, options)
    const { namespace, key } = this.#parse(path)
    namespace.checkWritable()
    const file = key.endsWith('/') ? undefined : namespace.fileAt(key)
    if (file === undefined) this.#directory(namespace, key)
    checkNamed(path, file, options)
    if (file !== undefined) {
      this.#removeFile(namespace, file, options)
      return { files: 1, directories: 0 }
    }
    const below = namespace.below(key)
    const own = key.endsWith('/') ? key : `${key}/`
    const hasEntries = below.some((node) => node.key !== own || node.kind === 'file')
    if (hasEntries && options.recursive !== true && options.keepEntries !== true)
      throw new SkeinError('failed_precondition', `${path} is not empty`)
    const counted = { files: 0, directories: 1 }
    for (const { kind } of options.recursive === true ? this.#entries(path, { recursive: true }) : [])
      counted[kind === 'file' ? 'files' : 'directories'] += 1
    for (const node of below) {
      if (node.kind === 'file' && options.recursive === true) this.#removeFile(namespace, node, options)
      else if (options.recursive === true || node.key === own) namespace.remove(node.key)
    }
    return counted
  }

  async setAttributes(path: string, changes: AttributeChanges): Promise<{ readonly files: number }> {
    await begun('setAttributes', path, changes)
    const { clientMetadata, ttl, replicationMin, pinned } = changes
    const { namespace, key } = this.#parse(path)
    checkMetadata(clientMetadata === undefined ? {} : { clientMetadata })
    const node = namespace.fileAt(key)
    if (node === undefined) {
      const { path: own } = this.#directory(namespace, key)
      const times = setTimesOf(changes.times ?? {})
      const before = this.#ownership.get(own)
      const timed = times === undefined ? {} : { times: { ...before?.times, ...times } }
      const mode = changedMode(this.#directory(namespace, key), changes)
      this.#ownership.set(own, { ...before, ...ownershipOf({ ...changes, mode }), ...timed })
      if (clientMetadata !== undefined) throw new SkeinError('failed_precondition', `${path} is a directory`)
      if (pinned !== undefined) for (const below of await this.#filesAt(path)) namespace.put({ ...below, pinned })
      return { files: 1 }
    }
    const expiry = ttl === undefined ? {} : { ttl: ttl === 'none' ? undefined : { ...ttl, setMs: this.#clock.nowMs() } }
    const counted = replicationMin === undefined ? {} : { replicationMin }
    const mode = changedMode(fileStatus(namespace.name, node), changes)
    const own = { ...node.ownership, ...ownershipOf({ ...changes, mode }) }
    const told = clientMetadata === undefined ? {} : { clientMetadata }
    const times = changes.times === undefined ? {} : { times: { ...node.times, ...setTimesOf(changes.times) } }
    const pin = pinned === undefined ? {} : { pinned }
    namespace.put({ ...node, ...told, ...expiry, ...counted, ...times, ...pin, ownership: own })
    return { files: 1 }
  }

  async blockLocations(path: string): Promise<readonly BlockLocation[]> {
    checkPath(path)
    return []
  }

  async summary(path: string, options?: StatOptions): Promise<PathSummary> {
    await begun('stat', path, options)
    const own = [...this.#namespaces.keys()].filter((name) => name !== '').map((name) => `/${name}`)
    const paths = path === '/' && !this.#namespaces.has('') ? own : [path]
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

  /** What `to` means: with `intoDirectory` a place in the directory that is there. */
  async #placeOf(from: string, to: string, { intoDirectory }: RenameOptions): Promise<string> {
    const there = intoDirectory === true ? await this.stat(to).catch(() => undefined) : undefined
    const { namespace, key } = this.#placeIn(from)
    const name = key.replace(/\/$/, '').split('/').at(-1)
    return there?.kind === 'directory' && there.path !== formatPath({ namespace, key })
      ? `${to.replace(/\/$/, '')}/${name}`
      : to
  }

  /** An object that stays at the store is a file again, of which nothing is cached. */
  #removeFile(namespace: MemoryNamespace, node: MemoryNode, { cacheOnly }: DeleteOptions): void {
    if (cacheOnly === true && node.etag !== '')
      namespace.put({ ...node, fileId: (this.#lastFileId += 1), ttl: undefined, isFreed: true })
    else namespace.remove(node.key)
  }

  async #filesAt(path: string): Promise<readonly MemoryNode[]> {
    const { kind } = await this.stat(path)
    const { namespace, key } = this.#parse(path)
    const nodes = kind === 'file' ? namespace.live().filter((node) => node.key === key) : namespace.below(key)
    return nodes.filter((node) => node.kind === 'file')
  }

  #entries(path: string, options: ListOptions): FileStatus[] {
    if (path === '/') return this.#rootEntries(options)
    const { namespace, key } = this.#parse(path)
    const file = key.endsWith('/') ? undefined : namespace.fileAt(key)
    if (file !== undefined) return [fileStatus(namespace.name, file)]
    this.#directory(namespace, key)
    const prefix = key === '' || key.endsWith('/') ? key : `${key}/`
    const isInternal = prefix.startsWith(internalKeyPrefix)
    return listedEntries(namespace.live(), prefix, options)
      .filter((entry) => isInternal || !entry.key.startsWith(internalKeyPrefix))
      .map(({ key: entryKey, node }) =>
        node?.kind === 'file'
          ? fileStatus(namespace.name, node)
          : this.#owned(directoryOf(namespace.name, entryKey, node?.modifiedMs)),
      )
  }

  /** The root mount's entries that no namespace hides, and the namespaces among them. */
  #rootEntries(options: ListOptions): FileStatus[] {
    const names = [...this.#namespaces.keys()].filter((name) => name !== '')
    const root = this.#namespaces.get('')
    const { recursive = false, prefix = '', startAfter = '' } = options
    const own = root === undefined ? [] : listedEntries(root.live(), '', options)
    const ofRoot = own
      .filter(({ key }) => !key.startsWith(internalKeyPrefix) && !names.includes(key.split('/', 1)[0] ?? ''))
      .map(({ key, node }) =>
        node?.kind === 'file' ? fileStatus('', node) : this.#owned(directoryOf('', key, node?.modifiedMs)),
      )
    const ofNamespaces = names.flatMap((name) => [
      directoryStatus(`/${name}`, name, undefined, true, 0),
      ...(recursive ? this.#entries(`/${name}`, { recursive }) : []),
    ])
    return placedBelowRoot(ofRoot, ofNamespaces, { prefix, startAfter })
  }

  #placeIn(path: string): NamespacePath {
    return placeOfPath(path, (name) => name !== '' && this.#namespaces.has(name))
  }

  #parse(path: string): { readonly namespace: MemoryNamespace; readonly key: string } {
    const parsed = this.#placeIn(path)
    const namespace = this.#namespaces.get(parsed.namespace)
    if (namespace !== undefined) return { namespace, key: parsed.key }
    if (parsed.key === '') throw new SkeinError('invalid_argument', '/ is the list of the namespaces')
    throw new SkeinError('not_found', `namespace '${namespaceNeeded(path)}' does not exist`)
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

  #directory(namespace: MemoryNamespace, key: string): FileStatus {
    if (key === '') return directoryStatus(`/${namespace.name}`, namespace.name, undefined, true, 0)
    const directoryKey = key.endsWith('/') ? key : `${key}/`
    const below = namespace.below(directoryKey)
    const own = below.find((node) => node.key === directoryKey && node.kind === 'directory')
    if (below.length === 0) throw notFound(formatPath({ namespace: namespace.name, key }))
    return this.#owned(directoryOf(namespace.name, directoryKey, own?.modifiedMs))
  }

  #owned(status: FileStatus): FileStatus {
    return { ...status, ...this.#ownership.get(status.path) }
  }

  #checkTarget(namespace: MemoryNamespace, key: string, { ifExists, ifFileId, asObject }: CreateOptions): void {
    const path = formatPath({ namespace: namespace.name, key })
    const file = namespace.fileAt(key)
    if (ifFileId !== undefined && file?.fileId !== ifFileId)
      throw new SkeinError('aborted', `${path} was changed or removed meanwhile`, {
        reason: 'file_changed',
        retryable: false,
      })
    if (file !== undefined && ifExists !== 'overwrite') throw new SkeinError('already_exists', `${path} exists already`)
    if (asObject === true) return
    namespace.checkNotBelowFile(key)
    if (namespace.below(`${key}/`).length > 0) throw new SkeinError('failed_precondition', `${path} is a directory`)
  }
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
