// Why: `ls`, page by page. How: a page token is the place where the page before ended, so that no
// state is kept between pages; a directory is listed at the store when its first page is asked for
// and what is known of it is too old.
import { z } from 'zod'
import { SkeinError } from '../../base/errors.ts'
import { parsePath } from '../../base/paths.ts'
import { directoryAt, listedAtMs } from '../../meta/resolve-path.ts'
import type { DirectoryInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { walk, type WalkEntry, type WalkPosition } from '../../meta/walk.ts'
import type { FileInfo, ListStatusRequest, ListStatusResponse, UnusablePaths } from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { directoryInfo, fileInfo } from '../paths/file-info.ts'
import { directoryKey, takeEntries } from '../paths/file-look-up.ts'
import { type MasterContext, sortedNamespaces } from '../master-context.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { pageLimitMax, type StoreSync } from '../store/store-sync.ts'
import { mergeUnusable, unusablePaths } from '../store/unusable-names.ts'

/** The last thing given out: a namespace itself (no key), or an entry of it. */
const tokenSchema = z.strictObject({ namespace: z.string(), key: z.string(), folder: z.boolean() })
type Token = z.infer<typeof tokenSchema>

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
   * keys; both when a path names both. @throws SkeinError not_found, invalid_argument (page token)
   */
  async list(request: ListStatusRequest, { signal }: CallOptions): Promise<ListStatusResponse> {
    const path = parsePath(request.path)
    const limit = request.limit === 0 ? pageLimitMax : Math.min(request.limit, pageLimitMax)
    const token = request.pageToken === '' ? undefined : parseToken(request.pageToken)
    this.#context.workers.expire()
    if (path.namespace === '') return this.#listRoot(request, token, limit, signal)
    if (token !== undefined) {
      const record = sortedNamespaces(this.#context).find(({ name }) => name === path.namespace)
      const directory = record === undefined ? undefined : directoryAt(this.#context.tables, record.rootId, path.key)
      if (record === undefined || directory === undefined) return { files: [], nextPageToken: '' }
      return response(record, this.#entries(record, directory, directoryKey(path.key), request.recursive, token, limit))
    }
    const { record, file, directory } = await this.#locator.locate(path, signal, request.syncIntervalMs)
    const files = file === undefined ? [] : [fileInfo(this.#context, record, path.key, file)]
    if (directory === undefined) return { files, nextPageToken: '' }
    const page = await this.#firstPage(record, directory, directoryKey(path.key), request, limit, signal)
    return response(record, { ...page, files: [...files, ...page.files] })
  }

  async #listRoot(
    request: ListStatusRequest,
    token: Token | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<ListStatusResponse> {
    const { recursive } = request
    const files: FileInfo[] = []
    let unusable: UnusablePaths | undefined
    for (const record of sortedNamespaces(this.#context)) {
      if (token !== undefined && (record.name < token.namespace || (record.name === token.namespace && !recursive)))
        continue
      const root = directoryAt(this.#context.tables, record.rootId, '')
      if (root === undefined) continue
      const goingOn = token?.namespace === record.name ? token : undefined
      if (goingOn === undefined) files.push(directoryInfo(this.#context.tables, record, '', root))
      if (files.length >= limit) return response(record, { files, next: { key: '', folder: true } })
      if (!recursive) continue
      const left = limit - files.length
      const atStart = goingOn === undefined || goingOn.key === ''
      const page = atStart
        ? await this.#firstPage(record, root, '', request, left, signal)
        : this.#entries(record, root, '', true, goingOn, left)
      files.push(...page.files)
      unusable = mergeUnusable(unusable, page.unusable)
      if (page.next !== undefined) return response(record, { files, next: page.next, unusable })
    }
    return { files, nextPageToken: '', ...(unusable !== undefined && { unusable }) }
  }

  async #firstPage(
    record: NamespaceRecord,
    directory: DirectoryInode,
    prefix: string,
    { recursive, syncIntervalMs }: Pick<ListStatusRequest, 'recursive' | 'syncIntervalMs'>,
    limit: number,
    signal: AbortSignal,
  ): Promise<Page> {
    const { childrenMs, treeMs } = listedAtMs(this.#context.tables, record, directory)
    if (!this.#sync.isFresh(recursive ? treeMs : childrenMs, syncIntervalMs)) {
      await (recursive ? this.#sync.tree(record, prefix, signal) : this.#sync.children(record, prefix, signal))
    }
    const now = directoryAt(this.#context.tables, record.rootId, prefix)
    const unusable = unusablePaths(record, this.#sync, prefix, recursive)
    if (now === undefined) return { files: [], next: undefined, unusable }
    return { ...this.#entries(record, now, prefix, recursive, undefined, limit), unusable }
  }

  #entries(
    record: NamespaceRecord,
    directory: DirectoryInode,
    prefix: string,
    recursive: boolean,
    after: WalkPosition | undefined,
    limit: number,
  ): Page {
    const { tables } = this.#context
    const entries = recursive ? walk(tables, directory.id, prefix, after) : this.#children(directory, prefix, after)
    const taken = takeEntries(entries, limit)
    const files = taken.flatMap(({ key, inodeId }) => {
      const inode = tables.inode(inodeId)
      if (inode === undefined || inode.kind === 'pending') return []
      return [
        inode.kind === 'file' ? fileInfo(this.#context, record, key, inode) : directoryInfo(tables, record, key, inode),
      ]
    })
    return { files, next: taken.length < limit ? undefined : taken.at(-1) }
  }

  *#children(directory: DirectoryInode, prefix: string, after: WalkPosition | undefined): Generator<WalkEntry> {
    const afterName = after?.key.slice(prefix.length)
    for (const { name, inodeId } of this.#context.tables.edges(directory.id, afterName ?? '')) {
      if (name !== afterName) yield { key: prefix + name, folder: name.endsWith('/'), inodeId }
    }
  }
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
