// Why: everything that people ask about files: ls, stat, count, and where to read. How: the path is
// located (at the store when it is not known yet), and trees are walked in pieces, so that a large
// one does not hold up the others.
import { SkeinError } from '../../base/errors.ts'
import { blockCount } from '../../base/block-id.ts'
import { formatPath, type NamespacePath, parsePath } from '../../base/paths.ts'
import { directoryAt, fileAt, listedAtMs } from '../../meta/resolve-path.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { shownTree } from '../../meta/listed-range.ts'
import type { WalkEntry, WalkPosition } from '../../meta/walk.ts'
import type {
  CountResponse,
  FileInfo,
  OpenFileRequest,
  OpenFileResponse,
  PathRequest,
} from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { cachedOf, directoryInfo, fileInfo, locationsOf, metadataInfo, rootInfo } from './file-info.ts'
import { type MasterContext, sortedNamespaces } from '../master-context.ts'
import { type Located, notFound, type PathLocator } from './path-locator.ts'
import type { StoreSync } from '../store/store-sync.ts'

/** Inodes that are read in one turn of the event loop. */
const entriesPerTurn = 2000

/** A part of the namespaces: one file, or a directory with all below it. */
interface Subtree {
  readonly record: NamespaceRecord
  readonly prefix: string
  readonly file: FileInode | undefined
  readonly directoryId: number | undefined
}

export class FileService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #sync: StoreSync
  readonly #startedMs: number

  constructor(context: MasterContext, locator: PathLocator, sync: StoreSync) {
    this.#context = context
    this.#locator = locator
    this.#sync = sync
    this.#startedMs = context.clock.nowMs()
  }

  /** As getStatus, if nobody has to wait for the answer. @throws SkeinError not_found */
  knownStatus(request: PathRequest): FileInfo | undefined {
    const path = parsePath(request.path)
    const located = path.namespace === '' ? undefined : this.#locator.knownFile(path, request.syncIntervalMs)
    if (located === undefined) return undefined
    this.#context.workers.expire()
    return this.#infoOf(path, located.record, located.file)
  }

  /** The file of this path, or else the directory. @throws SkeinError not_found */
  async getStatus(request: PathRequest, { signal }: CallOptions): Promise<FileInfo> {
    const path = parsePath(request.path)
    if (path.namespace === '') return rootInfo(this.#startedMs)
    this.#context.workers.expire()
    const { record, file, directory } = await this.#locator.locate(path, signal, request.syncIntervalMs)
    if (file !== undefined) return this.#infoOf(path, record, file)
    return this.#directoryAt(path, { record, directory })
  }

  /** @param located undefined for `/`. @throws SkeinError not_found */
  #directoryAt(path: NamespacePath, located: Pick<Located, 'record' | 'directory'> | undefined): FileInfo {
    if (located === undefined) return rootInfo(this.#startedMs)
    if (located.directory === undefined) throw notFound(path)
    return directoryInfo(this.#context.tables, located.record, directoryKey(path.key), located.directory)
  }

  #infoOf({ key }: NamespacePath, record: NamespaceRecord, file: FileInode): FileInfo {
    return Object.assign(fileInfo(this.#context, record, key, file), metadataInfo(file))
  }

  /**
   * As openFile, if nobody has to wait for the answer: so it is for most files that are opened.
   * @throws SkeinError not_found
   */
  openKnown(request: OpenFileRequest): OpenFileResponse | undefined {
    const path = parsePath(request.path)
    if (path.namespace === '' || request.lookBlocksMax !== undefined) return undefined
    const located = this.#locator.knownFile(path, request.syncIntervalMs)
    if (located === undefined) return undefined
    this.#context.workers.expire()
    return this.#opened(path, located.record, located.file)
  }

  /**
   * A file with the live locations of its blocks. @throws SkeinError not_found, failed_precondition
   * for a directory that is not only looked at
   */
  async openFile(request: OpenFileRequest, { signal }: CallOptions): Promise<OpenFileResponse> {
    const path = parsePath(request.path)
    const { lookBlocksMax } = request
    const located = path.namespace === '' ? undefined : await this.#locator.locate(path, signal, request.syncIntervalMs)
    // To look at, `a/` is the directory; to read, it is the object `a/` where that one has bytes.
    const isOnlyDirectory = located === undefined || !path.key.endsWith('/') || lookBlocksMax !== undefined
    const file =
      located?.file ?? (isOnlyDirectory ? undefined : fileAt(this.#context.tables, located.record.rootId, path.key))
    if (located === undefined || file === undefined) {
      if (lookBlocksMax !== undefined) return { file: this.#directoryAt(path, located), blocks: [], workers: [] }
      throw new SkeinError('failed_precondition', `${formatPath(path)} is a directory; give a file`)
    }
    this.#context.workers.expire()
    const { record } = located
    if (lookBlocksMax !== undefined && blockCount(file.length, file.blockSizeBytes) > lookBlocksMax)
      return { file: this.#infoOf(path, record, file), blocks: [], workers: [], untold: true }
    return this.#opened(path, record, file)
  }

  #opened(path: NamespacePath, record: NamespaceRecord, file: FileInode): OpenFileResponse {
    const info = this.#infoOf(path, record, file)
    const blocks = locationsOf(this.#context, file.id, file.length, file.blockSizeBytes)
    const workers = this.#context.workers.infos(blocks.flatMap(({ workerIds }) => workerIds))
    return { file: info, blocks, workers }
  }

  /** Files and bytes below a path, all of them: what is not known yet is listed first. */
  async count(request: PathRequest, { signal }: CallOptions): Promise<CountResponse> {
    const total = { files: 0, folders: 0, bytes: 0, cachedBytes: 0 }
    for (const subtree of await this.#subtrees(request, signal)) {
      if (subtree.directoryId !== undefined) total.folders += 1
      await this.#eachFile(
        subtree,
        signal,
        () => (total.folders += 1),
        (file) => {
          total.files += 1
          total.bytes += file.length
          total.cachedBytes += cachedOf(this.#context, file).bytes
        },
      )
    }
    return total
  }

  async #subtrees(request: PathRequest, signal: AbortSignal): Promise<Subtree[]> {
    const path = parsePath(request.path)
    if (path.namespace === '') {
      const all: Subtree[] = []
      for (const record of sortedNamespaces(this.#context)) {
        const below = { ...request, path: `/${record.name}` }
        all.push(...(await this.#subtrees(below, signal)))
      }
      return all
    }
    const { record, file, directory } = await this.#locator.locate(path, signal, request.syncIntervalMs)
    // As everywhere (tree-pages.ts), a path names one thing, and the object of its name comes
    // first.
    if (file !== undefined) return [{ record, prefix: path.key, file, directoryId: undefined }]
    const prefix = directoryKey(path.key)
    if (
      directory !== undefined &&
      !this.#sync.isFresh(listedAtMs(this.#context.tables, record, directory).treeMs, request.syncIntervalMs)
    ) {
      await this.#sync.tree(record, prefix, signal)
    }
    return [{ record, prefix, file: undefined, directoryId: directory?.id }]
  }

  /**
   * Calls back for each directory and file of a subtree, the event loop running on between pieces.
   */
  async #eachFile(
    subtree: Subtree,
    signal: AbortSignal,
    onFolder: () => void,
    onFile: (file: FileInode, path: string) => void,
  ): Promise<void> {
    const { tables, clock } = this.#context
    const { record, directoryId, prefix, file } = subtree
    if (file !== undefined) onFile(file, formatPath({ namespace: record.name, key: prefix }))
    if (directoryId === undefined) return
    const directory = { id: directoryId, key: prefix }
    let after: WalkPosition | undefined
    for (;;) {
      const entries = takeEntries(shownTree(tables, directory, after), entriesPerTurn)
      for (const { key, folder, inodeId } of entries) {
        if (folder) {
          onFolder()
          continue
        }
        const inode = tables.inode(inodeId)
        if (inode?.kind === 'file') onFile(inode, formatPath({ namespace: record.name, key }))
      }
      after = entries.at(-1)
      if (entries.length < entriesPerTurn) return
      await clock.sleep(0, signal)
      if (directoryAt(tables, record.rootId, prefix)?.id !== directoryId) return
    }
  }
}

/** A directory's key: empty for a namespace, else with a `/` at its end. */
export function directoryKey(key: string): string {
  return key === '' || key.endsWith('/') ? key : `${key}/`
}

/** Up to `limit` entries of a walk, which ends with it. */
export function takeEntries(entries: Iterable<WalkEntry>, limit: number): WalkEntry[] {
  const taken: WalkEntry[] = []
  for (const entry of entries) {
    taken.push(entry)
    if (taken.length >= limit) break
  }
  return taken
}
