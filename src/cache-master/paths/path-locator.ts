// Why: every question about a path first needs its inodes, and a path that is not known yet may
// still be at the store. How: metadata answers while it holds; else one HEAD, and one listing of a
// single key for a directory.
import { SkeinError } from '../../base/errors.ts'
import {
  directoryAt,
  fileAt,
  isOfThisStore,
  listedAtMs,
  type Place,
  resolve,
  type Resolved,
} from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { type MasterContext, pathOf, placeAt } from '../master-context.ts'
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

  /** The place of a path, see placeAt. */
  place(path: string, rootRefusal: string): Place {
    return placeAt(this.#context, path, rootRefusal)
  }

  /**
   * What a path below a namespace names; at least one of file and directory is there.
   * @param syncIntervalMs how old what is known may be: -1 any, 0 the store is asked now
   * @throws SkeinError not_found when neither the metadata nor the store has it, and what the store
   *   says
   */
  async locate(
    { record, key }: Place,
    signal: AbortSignal,
    syncIntervalMs = this.#context.options.metadataSyncIntervalMs,
  ): Promise<Located> {
    const known = resolve(this.#context.tables, record.rootId, key)
    const file =
      known.file === undefined || this.holds(record, known.file, syncIntervalMs)
        ? known.file
        : await this.#sync.refresh(record, key, signal)
    const directory =
      known.directory === undefined
        ? undefined
        : await this.#current(record, key, known.directory, syncIntervalMs, signal)
    if (file !== undefined || directory !== undefined) return { record, file, directory }
    return this.#lookUp({ record, key }, signal)
  }

  /**
   * As `locate` for a path that names a file and no directory, while what is known of the file
   * holds: nobody has to wait for that. Undefined: locate it.
   */
  knownFile({ record, key }: Place, syncIntervalMs?: number): (Located & { readonly file: FileInode }) | undefined {
    const { file, directory } = resolve(this.#context.tables, record.rootId, key)
    if (file === undefined || directory !== undefined || !this.holds(record, file, syncIntervalMs)) return undefined
    return { record, file, directory }
  }

  async #lookUp({ record, key }: Place, signal: AbortSignal): Promise<Located> {
    const file = key.endsWith('/') ? undefined : await this.#sync.refresh(record, key, signal)
    if (file !== undefined) return { record, file, directory: undefined }
    const prefix = key.endsWith('/') ? key : `${key}/`
    const directory = await this.#sync.probeDirectory(record, prefix, signal)
    if (directory !== undefined) return { record, file: undefined, directory }
    const nameless = key.endsWith('/') ? fileAt(this.#context.tables, record.rootId, key) : undefined
    if (nameless !== undefined) return { record, file: nameless, directory: undefined }
    throw notFound({ record, key })
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

export function notFound({ record, key }: Place): SkeinError {
  return new SkeinError('not_found', `${pathOf(record, key)} does not exist`)
}
