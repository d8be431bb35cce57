// Why: `ls`, page by page. How: a page token is the place where the page before ended, so that no
// state is kept between pages; a directory is listed at the store when its first page is asked for
// and what is known of it is too old. A page of a prefix, or behind a key, costs its own entries
// (meta/listed-range.ts).
import { z } from 'zod'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { internalKeyPrefix, keyProblem, parsePath } from '../../base/paths.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import { entriesOf, type ListedRange } from '../../meta/listed-range.ts'
import { directoryAt, listedAtMs } from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import type { WalkPosition } from '../../meta/walk.ts'
import type { FileInfo, ListStatusRequest, ListStatusResponse, UnusablePaths } from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { directoryInfo, fileInfo, metadataInfo } from '../paths/file-info.ts'
import { directoryKey, takeEntries } from '../paths/file-look-up.ts'
import { type MasterContext, sortedNamespaces } from '../master-context.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { pageLimitMax, type StoreSync } from '../store/store-sync.ts'
import { mergeUnusable, unusablePaths } from '../store/unusable-names.ts'

/** The last thing given out: a namespace itself (no key), or an entry of it. */
const tokenSchema = z.strictObject({ namespace: z.string(), key: z.string(), folder: z.boolean() })
type Token = z.infer<typeof tokenSchema>

/** The entries of a listing, and whether they come with what is stored with the objects. */
interface ShownRange extends ListedRange {
  readonly withMetadata: boolean
}

interface Page {
  readonly files: FileInfo[]
  readonly next: WalkPosition | undefined
  readonly unusable?: UnusablePaths | undefined
}

export class ListService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #sync: StoreSync

  constructor(context: MasterContext, locator: PathLocator, sync: StoreSync) {
    this.#context = context
    this.#locator = locator
    this.#sync = sync
  }

  /**
   * A file itself, or what is in a directory (all below it when recursive), in the order of the
   * keys; both when a path names both. A prefix and a start are for what is in the directory.
   * @throws SkeinError not_found, invalid_argument (page token)
   */
  async list(request: ListStatusRequest, { signal }: CallOptions): Promise<ListStatusResponse> {
    const path = parsePath(request.path)
    const limit = request.limit === 0 ? pageLimitMax : Math.min(request.limit, pageLimitMax)
    const token = request.pageToken === '' ? undefined : parseToken(request.pageToken)
    const range = rangeOf(request)
    this.#context.workers.expire()
    if (path.namespace === '') return this.#listRoot(request, range, token, limit, signal)
    if (token !== undefined) {
      const record = sortedNamespaces(this.#context).find(({ name }) => name === path.namespace)
      const directory = record === undefined ? undefined : directoryAt(this.#context.tables, record.rootId, path.key)
      if (record === undefined || directory === undefined) return { files: [], nextPageToken: '' }
      return response(record, this.#entries(record, directory, directoryKey(path.key), range, token, limit))
    }
    const { record, file, directory } = await this.#locator.locate(path, signal, request.syncIntervalMs)
    const files = file === undefined ? [] : [this.#fileInfo(record, path.key, file, range)]
    if (directory === undefined) return { files, nextPageToken: '' }
    const listed = { record, directory, key: directoryKey(path.key) }
    const page = await this.#firstPage(listed, request, range, limit - files.length, signal)
    return response(record, { ...page, files: [...files, ...page.files] })
  }

  async #listRoot(
    request: ListStatusRequest,
    range: ShownRange,
    token: Token | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<ListStatusResponse> {
    const files: FileInfo[] = []
    let unusable: UnusablePaths | undefined
    const from = token === undefined ? '' : `${token.namespace}/`
    for (const record of sortedNamespaces(this.#context).sort((a, b) => compareKeys(`${a.name}/`, `${b.name}/`))) {
      const key = `${record.name}/`
      if (compareKeys(key, from) < 0 || (key === from && !range.isRecursive)) continue
      const root = directoryAt(this.#context.tables, record.rootId, '')
      const below = rangeBelow(range, key)
      if (root === undefined || below === undefined) continue
      const goingOn = key === from ? token : undefined
      if (goingOn === undefined && isIn(range, key)) files.push(directoryInfo(this.#context.tables, record, '', root))
      if (files.length >= limit) return response(record, { files, next: { key: '', folder: true } })
      if (!range.isRecursive) continue
      const left = limit - files.length
      const atStart = goingOn === undefined || goingOn.key === ''
      const page = atStart
        ? await this.#firstPage({ record, directory: root, key: '' }, request, below, left, signal)
        : this.#entries(record, root, '', below, goingOn, left)
      files.push(...page.files)
      unusable = mergeUnusable(unusable, page.unusable)
      if (page.next !== undefined) return response(record, { files, next: page.next, unusable })
    }
    return { files, nextPageToken: '', ...(unusable !== undefined && { unusable }) }
  }

  /** Lists at the store first where what is known is too old: only what the range can show. */
  async #firstPage(
    { record, directory, key }: { record: NamespaceRecord; directory: DirectoryInode; key: string },
    { syncIntervalMs }: Pick<ListStatusRequest, 'syncIntervalMs'>,
    range: ShownRange,
    limit: number,
    signal: AbortSignal,
  ): Promise<Page> {
    const { isRecursive, prefix } = range
    const deepest = key + (isRecursive ? prefix.slice(0, prefix.lastIndexOf('/') + 1) : '')
    const shown = deepest === key ? directory : await this.#located(record, deepest, signal, syncIntervalMs)
    if (shown === undefined) return { files: [], next: undefined }
    const { childrenMs, treeMs } = listedAtMs(this.#context.tables, record, shown)
    if (!this.#sync.isFresh(isRecursive ? treeMs : childrenMs, syncIntervalMs)) {
      await (isRecursive ? this.#sync.tree(record, deepest, signal) : this.#sync.children(record, deepest, signal))
    }
    const now = directoryAt(this.#context.tables, record.rootId, key)
    const unusable = unusablePaths(record, this.#sync, deepest, isRecursive)
    if (now === undefined) return { files: [], next: undefined, unusable }
    // Without room for an entry the next page begins at the start.
    if (limit === 0) return { files: [], next: { key, folder: true }, unusable }
    return { ...this.#entries(record, now, key, range, undefined, limit), unusable }
  }

  /** The directory of this key; undefined when there is none. */
  async #located(
    record: NamespaceRecord,
    key: string,
    signal: AbortSignal,
    syncIntervalMs: number | undefined,
  ): Promise<DirectoryInode | undefined> {
    if (keyProblem(key) !== undefined) return undefined
    try {
      const { directory } = await this.#locator.locate({ namespace: record.name, key }, signal, syncIntervalMs)
      // Of an object `dir/` that holds bytes, the directory is there too.
      return directory ?? directoryAt(this.#context.tables, record.rootId, key)
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return undefined
      throw thrown
    }
  }

  #entries(
    record: NamespaceRecord,
    directory: DirectoryInode,
    key: string,
    range: ShownRange,
    after: WalkPosition | undefined,
    limit: number,
  ): Page {
    const { tables } = this.#context
    const shown = { ...range, hidden: internalKeyPrefix }
    const taken = takeEntries(entriesOf(tables, { id: directory.id, key }, shown, after), limit)
    const files = taken.flatMap((entry) => {
      const inode = tables.inode(entry.inodeId)
      if (inode === undefined || inode.kind === 'pending') return []
      if (inode.kind === 'directory') return [directoryInfo(tables, record, entry.key, inode)]
      return [this.#fileInfo(record, entry.key, inode, range)]
    })
    return { files, next: taken.length < limit ? undefined : taken.at(-1) }
  }

  #fileInfo(record: NamespaceRecord, key: string, file: FileInode, { withMetadata }: ShownRange): FileInfo {
    return { ...fileInfo(this.#context, record, key, file), ...(withMetadata ? metadataInfo(file) : {}) }
  }
}

function rangeOf({ recursive, prefix = '', startAfter = '', withMetadata = false }: ListStatusRequest): ShownRange {
  return { isRecursive: recursive, prefix, startAfter, withMetadata }
}

/** Whether a key of the listed directory is in the range. */
function isIn({ prefix, startAfter }: ListedRange, key: string): boolean {
  return key.startsWith(prefix) && (startAfter === '' || compareKeys(key, startAfter) > 0)
}

/**
 * The range of keys below a directory of the listed directory; undefined when neither the directory
 * nor a key below it can be in the range.
 */
function rangeBelow(range: ShownRange, key: string): ShownRange | undefined {
  const { prefix, startAfter } = range
  if (!key.startsWith(prefix) && !prefix.startsWith(key)) return undefined
  if (startAfter !== '' && compareKeys(key, startAfter) <= 0 && !startAfter.startsWith(key)) return undefined
  const rest = (text: string): string => (text.startsWith(key) ? text.slice(key.length) : '')
  return { ...range, prefix: rest(prefix), startAfter: rest(startAfter) }
}

function response(record: NamespaceRecord, { files, next, unusable }: Page): ListStatusResponse {
  const named = unusable === undefined ? {} : { unusable }
  if (next === undefined) return { files, nextPageToken: '', ...named }
  const token: Token = { namespace: record.name, key: next.key, folder: next.folder }
  return { files, nextPageToken: JSON.stringify(token), ...named }
}

function parseToken(text: string): Token {
  try {
    return tokenSchema.parse(JSON.parse(text))
  } catch (error) {
    throw new SkeinError('invalid_argument', 'the page token is not one of this master', { cause: error })
  }
}
