// Why: everything that people ask about files: ls, stat, count, and where to read. How: the path is
// located (at the store when it is not known yet), and trees are walked in pieces, so that a large
// one does not hold up the others.
import { SkeinError } from '../../base/errors.ts'
import { blockCount } from '../../base/block-id.ts'
import { directoryAt, fileAt, listedAtMs, type Place, placeOf, placeOfText } from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
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
import { type MasterContext, pathOf, placesOf } from '../master-context.ts'
import { notFound, type PathLocator } from './path-locator.ts'
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
    const place = placeOfText(this.#context.tables, request.path)
    const located = place === undefined ? undefined : this.#locator.knownFile(place, request.syncIntervalMs)
    if (place === undefined || located === undefined) return undefined
    this.#context.workers.expire()
    return this.#infoOf(place, located.file)
  }

  /** The file of this path, or else the directory. @throws SkeinError not_found */
  async getStatus(request: PathRequest, { signal }: CallOptions): Promise<FileInfo> {
    const place = placeOfText(this.#context.tables, request.path)
    if (place === undefined) return rootInfo(this.#startedMs)
    this.#context.workers.expire()
    const { file, directory } = await this.#locator.locate(place, signal, request.syncIntervalMs)
    if (file !== undefined) return this.#infoOf(place, file)
    return this.#directoryAt(place, directory)
  }

  /** @param place undefined for `/` without a root mount. @throws SkeinError not_found */
  #directoryAt(place: Place | undefined, directory: DirectoryInode | undefined): FileInfo {
    if (place === undefined) return rootInfo(this.#startedMs)
    if (directory === undefined) throw notFound(place)
    return directoryInfo(this.#context.tables, place.record, directoryKey(place.key), directory)
  }

  #infoOf({ record, key }: Place, file: FileInode): FileInfo {
    return Object.assign(fileInfo(this.#context, record, key, file), metadataInfo(file))
  }

  /**
   * As openFile, if nobody has to wait for the answer: so it is for most files that are opened.
   * @throws SkeinError not_found
   */
  openKnown(request: OpenFileRequest): OpenFileResponse | undefined {
    const place = placeOfText(this.#context.tables, request.path)
    if (place === undefined || request.lookBlocksMax !== undefined) return undefined
    const located = this.#locator.knownFile(place, request.syncIntervalMs)
    if (located === undefined) return undefined
    this.#context.workers.expire()
    return this.#opened(place, located.file)
  }

  /**
   * A file with the live locations of its blocks. @throws SkeinError not_found, failed_precondition
   * for a directory that is not only looked at
   */
  async openFile(request: OpenFileRequest, { signal }: CallOptions): Promise<OpenFileResponse> {
    const place = placeOfText(this.#context.tables, request.path)
    const { lookBlocksMax } = request
    const located = place === undefined ? undefined : await this.#locator.locate(place, signal, request.syncIntervalMs)
    // To look at, `a/` is the directory; to read, it is the object `a/` where that one has bytes.
    const isOnlyDirectory = place === undefined || !place.key.endsWith('/') || lookBlocksMax !== undefined
    const file =
      located?.file ?? (isOnlyDirectory ? undefined : fileAt(this.#context.tables, place.record.rootId, place.key))
    if (place === undefined || file === undefined) {
      if (lookBlocksMax !== undefined)
        return { file: this.#directoryAt(place, located?.directory), blocks: [], workers: [] }
      const path = place === undefined ? '/' : pathOf(place.record, place.key)
      throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
    }
    this.#context.workers.expire()
    if (lookBlocksMax !== undefined && blockCount(file.length, file.blockSizeBytes) > lookBlocksMax)
      return { file: this.#infoOf(place, file), blocks: [], workers: [], untold: true }
    return this.#opened(place, file)
  }

  /** As openFile, for one version of a file, wherever it is now. @throws SkeinError not_found */
  openById(fileId: number): OpenFileResponse {
    const { tables, workers } = this.#context
    const file = tables.inode(fileId)
    const place = file?.kind === 'file' ? placeOf(tables, file) : undefined
    if (file?.kind !== 'file' || place === undefined)
      throw new SkeinError('not_found', `no complete file has the id ${fileId}: it was removed, replaced or freed`)
    workers.expire()
    return this.#opened(place, file)
  }

  #opened(place: Place, file: FileInode): OpenFileResponse {
    const info = this.#infoOf(place, file)
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
    const subtrees: Subtree[] = []
    for (const place of placesOf(this.#context, request.path))
      subtrees.push(await this.#subtree(place, request.syncIntervalMs, signal))
    return subtrees
  }

  async #subtree({ record, key }: Place, syncIntervalMs: number | undefined, signal: AbortSignal): Promise<Subtree> {
    const { file, directory } = await this.#locator.locate({ record, key }, signal, syncIntervalMs)
    // As everywhere (tree-pages.ts), a path names one thing, and the object of its name comes
    // first.
    if (file !== undefined) return { record, prefix: key, file, directoryId: undefined }
    const prefix = directoryKey(key)
    if (
      directory !== undefined &&
      !this.#sync.isFresh(listedAtMs(this.#context.tables, record, directory).treeMs, syncIntervalMs)
    ) {
      await this.#sync.tree(record, prefix, signal)
    }
    return { record, prefix, file: undefined, directoryId: directory?.id }
  }

  /**
   * Calls back for each directory and file of a subtree, the event loop running on between pieces.
   */
  async #eachFile(
    subtree: Subtree,
    signal: AbortSignal,
    onFolder: () => void,
    onFile: (file: FileInode) => void,
  ): Promise<void> {
    const { tables, clock } = this.#context
    const { record, directoryId, prefix, file } = subtree
    if (file !== undefined) onFile(file)
    if (directoryId === undefined) return
    const directory = { id: directoryId, key: prefix }
    let after: WalkPosition | undefined
    for (;;) {
      const entries = takeEntries(shownTree(tables, directory, after), entriesPerTurn)
      for (const { folder, inodeId } of entries) {
        if (folder) {
          onFolder()
          continue
        }
        const inode = tables.inode(inodeId)
        if (inode?.kind === 'file') onFile(inode)
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
