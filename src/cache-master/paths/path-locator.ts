// Why: every question about a path first needs its inodes, and a path that is not known yet may
// still be at the store. How: metadata answers while it holds; else one HEAD, and one listing of a
// single key for a directory.
import { SkeinError } from '../../base/errors.ts'
import { formatPath, type NamespacePath } from '../../base/paths.ts'
import { directoryAt, fileAt, isOfThisStore, listedAtMs, resolve, type Resolved } from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { type MasterContext, namespaceNamed } from '../master-context.ts'
import type { StoreSync } from '../store/store-sync.ts'

export interface Located extends Resolved {
  readonly record: NamespaceRecord
}

export class PathLocator {
  readonly #context: MasterContext
  readonly #sync: StoreSync

  constructor(context: MasterContext, sync: StoreSync) {
    this.#context = context
    this.#sync = sync
  }

  /**
   * What a path below a namespace names; at least one of file and directory is there.
   * @param syncIntervalMs how old what is known may be: -1 any, 0 the store is asked now
   * @throws SkeinError not_found when neither the metadata nor the store has it, and what the store
   *   says
   */
  async locate(
    path: NamespacePath,
    signal: AbortSignal,
    syncIntervalMs = this.#context.options.metadataSyncIntervalMs,
  ): Promise<Located> {
    const record = namespaceNamed(this.#context, path.namespace)
    const known = resolve(this.#context.tables, record.rootId, path.key)
    const file =
      known.file === undefined || this.holds(record, known.file, syncIntervalMs)
        ? known.file
        : await this.#sync.refresh(record, path.key, signal)
    const directory =
      known.directory === undefined
        ? undefined
        : await this.#current(record, path.key, known.directory, syncIntervalMs, signal)
    if (file !== undefined || directory !== undefined) return { record, file, directory }
    return this.#lookUp(record, path, signal)
  }

  /**
   * As `locate` for a path that names a file and no directory, while what is known of the file
   * holds: nobody has to wait for that. Undefined: locate it.
   */
  knownFile(path: NamespacePath, syncIntervalMs?: number): (Located & { readonly file: FileInode }) | undefined {
    const record = namespaceNamed(this.#context, path.namespace)
    const { file, directory } = resolve(this.#context.tables, record.rootId, path.key)
    if (file === undefined || directory !== undefined || !this.holds(record, file, syncIntervalMs)) return undefined
    return { record, file, directory }
  }

  async #lookUp(record: NamespaceRecord, path: NamespacePath, signal: AbortSignal): Promise<Located> {
    const file = path.key.endsWith('/') ? undefined : await this.#sync.refresh(record, path.key, signal)
    if (file !== undefined) return { record, file, directory: undefined }
    const prefix = path.key.endsWith('/') ? path.key : `${path.key}/`
    const directory = await this.#sync.probeDirectory(record, prefix, signal)
    if (directory !== undefined) return { record, file: undefined, directory }
    const nameless = path.key.endsWith('/') ? fileAt(this.#context.tables, record.rootId, path.key) : undefined
    if (nameless !== undefined) return { record, file: nameless, directory: undefined }
    throw notFound(path)
  }

  /**
   * A known directory as it is now: looked for at the store when what is known of it is too old.
   */
  async #current(
    record: NamespaceRecord,
    key: string,
    known: DirectoryInode,
    syncIntervalMs: number,
    signal: AbortSignal,
  ): Promise<DirectoryInode | undefined> {
    const { tables } = this.#context
    if ((syncIntervalMs < 0 && isOfThisStore(record, known.createdMs)) || known.id === record.rootId) return known
    const parent = tables.inode(known.parentId)
    if (this.#sync.isFresh(listedAtMs(tables, record, known).childrenMs, syncIntervalMs)) return known
    if (
      parent?.kind === 'directory' &&
      this.#sync.isFresh(listedAtMs(tables, record, parent).childrenMs, syncIntervalMs)
    )
      return known
    const prefix = key.endsWith('/') ? key : `${key}/`
    const there = await this.#sync.probeDirectory(record, prefix, signal)
    if (there !== undefined) return there
    await this.#sync.tree(record, prefix, signal)
    return directoryAt(tables, record.rootId, prefix)
  }

  /** Whether a known file need not be looked at again. */
  holds(
    record: NamespaceRecord,
    file: FileInode,
    syncIntervalMs = this.#context.options.metadataSyncIntervalMs,
  ): boolean {
    if (!file.persisted || (syncIntervalMs < 0 && isOfThisStore(record, file.createdMs))) return true
    const { tables } = this.#context
    const parent = tables.inode(file.parentId)
    return (
      parent?.kind === 'directory' && this.#sync.isFresh(listedAtMs(tables, record, parent).childrenMs, syncIntervalMs)
    )
  }
}

export function notFound(path: NamespacePath): SkeinError {
  return new SkeinError('not_found', `${formatPath(path)} does not exist`)
}
