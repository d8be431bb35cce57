// Why: the half of a file system that changes things (file-system.ts), apart from the half that
// reads. How: each change is a call to the master; the bytes of files go through a file writer.
import { neverAborted } from '../../base/clock.ts'
import { ownershipOf } from '../../base/attributes/ownership.ts'
import { setTimesOf } from '../../base/attributes/set-times.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { FileInfo, MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { ChangedFiles, LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { Service } from '../../wire/service.ts'
import type {
  AttributeChanges,
  CreateOptions,
  DeletedEntries,
  DeleteOptions,
  FileOutput,
  FileStatus,
  PlacingOptions,
  RenameOptions,
} from '../file-system.ts'
import type { FileSystem } from '../file-system.ts'
import type { FileWriter } from './file-writer.ts'

/** The methods of FileSystem that change things, with its errors. */
export type FileChanges = Pick<FileSystem, 'create' | 'makeDirectory' | 'rename' | 'delete' | 'setAttributes'>

export interface MasterFileChangesOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'getStatus'>
  readonly lifecycle: Pick<
    Service<LifecycleServiceDefinition>,
    | 'makeDirectory'
    | 'rename'
    | 'delete'
    | 'setPinned'
    | 'setTtl'
    | 'setPathReplication'
    | 'setPathOwnership'
    | 'setPathTimes'
    | 'setClientMetadata'
  >
  readonly writer: Pick<FileWriter, 'create'>
  /** Status of a file from what the master says of it. */
  readonly statusOf: (file: FileInfo) => FileStatus
}

const unlimited = -1
/**
 * Deadline of a call that may concern all files below a directory, or moves the bytes of a file to
 * the store. Only the caller, who can abort it, knows how long it may take; a master that is gone
 * is noticed at once.
 */
export const treeMs = 24 * 60 * 60_000
/** How long a path is waited for that is being written to the store, moved or removed. */
const busyMs = 10 * 60_000

export class MasterFileChanges implements FileChanges {
  readonly #options: MasterFileChangesOptions

  constructor(options: MasterFileChangesOptions) {
    this.#options = options
  }

  async create(path: string, options: CreateOptions = {}): Promise<FileOutput> {
    const { ifExists = 'exclusive', signal = neverAborted(), ...newFile } = options
    if (options.ifFileId !== undefined && ifExists !== 'overwrite')
      throw new SkeinError('invalid_argument', 'ifFileId is for files that overwrite')
    const output = await this.#options.writer.create(path, { ...newFile, overwrite: ifExists === 'overwrite' }, signal)
    return {
      write: (chunk) => output.write(chunk),
      close: async (metadata = {}) => {
        const { info, persisted } = await output.close(metadata)
        // What the store says of it is newer than the moment when it became visible.
        if (info !== undefined && !persisted) return this.#options.statusOf(info)
        return this.#options.statusOf(await this.#statusAfter(path, info, signal))
      },
      abort: () => output.abort(),
    }
  }

  /** The file was complete, whoever removes it right after that. */
  async #statusAfter(path: string, info: FileInfo | undefined, signal: AbortSignal): Promise<FileInfo> {
    try {
      return await this.#options.master.getStatus({ path }, { signal })
    } catch (thrown) {
      if (info === undefined || !isSkeinError(thrown, 'not_found')) throw thrown
      return info
    }
  }

  async makeDirectory(path: string, { signal = neverAborted(), asObject }: PlacingOptions = {}): Promise<void> {
    await this.#options.lifecycle.makeDirectory({ path, ...(asObject === true && { asObject }) }, { signal })
  }

  async rename(
    from: string,
    to: string,
    { signal = neverAborted(), ifExists = 'exclusive', waitMs = busyMs, intoDirectory, fileId }: RenameOptions = {},
  ): Promise<void> {
    const request = {
      ...{ from, to, waitMs },
      ...(ifExists === 'overwrite' && { overwrite: true }),
      ...(intoDirectory === true && { intoDirectory }),
      ...(fileId !== undefined && { fileId }),
    }
    await this.#options.lifecycle.rename(request, { signal, deadlineMs: treeMs })
  }

  async delete(
    path: string,
    { signal = neverAborted(), recursive = false, cacheOnly = false, waitMs = busyMs, ...named }: DeleteOptions = {},
  ): Promise<DeletedEntries> {
    const { keepEntries, kind, ifFileId } = named
    if (recursive && keepEntries === true)
      throw new SkeinError('invalid_argument', 'recursive and keepEntries exclude each other')
    return await this.#options.lifecycle.delete(
      {
        ...{ path, recursive, cacheOnly, waitMs, ...(keepEntries === true && { keepEntries }) },
        ...(kind !== undefined && { kind: kind.toUpperCase() }),
        ...(ifFileId !== undefined && { ifFileId }),
      },
      { signal, deadlineMs: treeMs },
    )
  }

  async setAttributes(path: string, changes: AttributeChanges): Promise<{ readonly files: number }> {
    const { lifecycle } = this.#options
    const { owner, group, mode, modeMask, clientMetadata } = changes
    const times = setTimesOf(changes.times ?? {})
    const { signal = neverAborted(), pinned, ttl, replicationMin, replicationMax, recursive = false } = changes
    const call = { signal, deadlineMs: treeMs }
    let files = 0
    const change = async (changing: Promise<ChangedFiles>): Promise<void> => {
      files = Math.max(files, (await changing).files)
    }
    if (clientMetadata !== undefined)
      await change(lifecycle.setClientMetadata({ path, clientMetadata: { values: { ...clientMetadata } } }, call))
    if (pinned !== undefined) await change(lifecycle.setPinned({ path, pinned }, call))
    if (ttl !== undefined) {
      const { ms, action } = ttl === 'none' ? { ms: unlimited, action: 'FREE' } : ttl
      await change(lifecycle.setTtl({ path, ttlMs: ms, action }, call))
    }
    if (replicationMin !== undefined || replicationMax !== undefined) {
      const limits = {
        ...(replicationMin !== undefined && { min: replicationMin }),
        ...(replicationMax !== undefined && { max: replicationMax === 'none' ? unlimited : replicationMax }),
      }
      await change(lifecycle.setPathReplication({ path, recursive, ...limits }, call))
    }
    if (owner !== undefined || group !== undefined || mode !== undefined) {
      const ownership = { ...ownershipOf({ owner, group, mode }), ...(modeMask !== undefined && { modeMask }) }
      await change(lifecycle.setPathOwnership({ path, recursive, ...ownership }, call))
    }
    if (times !== undefined) await change(lifecycle.setPathTimes({ path, times }, call))
    return { files }
  }
}
