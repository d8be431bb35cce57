// Why: users of a cluster get one file system (file-system.ts, upkeep/file-upkeep.ts). How: made of
// a part that reads, a part that changes things and a part for upkeep. What callers give is checked
// here (given-options.ts). What was changed is opened anew by the next reader.
import { eachUnlessAborted, unlessAborted } from './aborted-calls.ts'
import { SkeinError } from '../base/errors.ts'
import type {
  AttributeChanges,
  CallSignal,
  CreateOptions,
  DeletedEntries,
  DeleteOptions,
  FileHandle,
  FileOutput,
  FileRange,
  FileStatus,
  ListOptions,
  OpenOptions,
  PlacingOptions,
  RenameOptions,
  StatOptions,
} from './file-system.ts'
import { checkBytes, checkOptions, checkPath } from './given-options.ts'
import type { FileReads } from './open/file-reads.ts'
import type { OpenedFiles } from './open/opened-files.ts'
import type { BlockLocation, CacheUsage, PathSummary } from './status/amounts.ts'
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
  WholeFileSystem,
} from './upkeep/file-upkeep.ts'
import type { FileChanges } from './write/file-changes.ts'

export interface FileSystemParts {
  readonly reads: FileReads
  readonly changes: FileChanges
  readonly upkeep: FileUpkeep
  readonly opened: Pick<OpenedFiles, 'forget'>
  /** Called once, when all handles are closed. */
  readonly disconnect: () => Promise<void>
}

export class ConnectedFileSystem implements WholeFileSystem {
  readonly #parts: FileSystemParts
  #closed: Promise<void> | undefined

  constructor(parts: FileSystemParts) {
    this.#parts = parts
  }

  async stat(path: string, options?: StatOptions): Promise<FileStatus> {
    checkPath(path)
    checkOptions('stat', options)
    return await unlessAborted(options, () => this.#parts.reads.stat(path, options))
  }

  async *list(path: string, options?: ListOptions): AsyncGenerator<readonly FileStatus[], void, undefined> {
    checkPath(path)
    checkOptions('list', options)
    yield* eachUnlessAborted(options, this.#parts.reads.list(path, options))
  }

  async open(path: string, options?: OpenOptions): Promise<FileHandle> {
    checkPath(path)
    checkOptions('open', options)
    return await unlessAborted(options, () => this.#parts.reads.open(path, options))
  }

  async blockLocations(path: string, range?: FileRange, options?: CallSignal): Promise<readonly BlockLocation[]> {
    checkPath(path)
    checkOptions('range', range)
    checkOptions('call', options)
    return await unlessAborted(options, () => this.#parts.reads.blockLocations(path, range, options))
  }

  async summary(path: string, options?: StatOptions): Promise<PathSummary> {
    checkPath(path)
    checkOptions('stat', options)
    return await unlessAborted(options, () => this.#parts.reads.summary(path, options))
  }

  async usage(options?: CallSignal): Promise<CacheUsage> {
    checkOptions('call', options)
    return await unlessAborted(options, () => this.#parts.reads.usage(options))
  }

  async create(path: string, options?: CreateOptions): Promise<FileOutput> {
    checkPath(path)
    checkOptions('create', options)
    const output = await unlessAborted(options, () => this.#parts.changes.create(path, options))
    return {
      write: async (chunk) => {
        try {
          checkBytes(chunk)
        } catch (thrown) {
          await output.abort()
          throw thrown
        }
        await unlessAborted(options, () => output.write(chunk))
      },
      close: async (metadata) => {
        checkOptions('close', metadata)
        return await this.#changing([path], options, () => output.close(metadata))
      },
      abort: () => output.abort(),
    }
  }

  async makeDirectory(path: string, options?: PlacingOptions): Promise<void> {
    checkPath(path)
    checkOptions('makeDirectory', options)
    await unlessAborted(options, () => this.#parts.changes.makeDirectory(path, options))
  }

  async rename(from: string, to: string, options?: RenameOptions): Promise<void> {
    checkPath(from)
    checkPath(to)
    checkOptions('rename', options)
    await this.#changing([from, to], options, () => this.#parts.changes.rename(from, to, options))
  }

  async delete(path: string, options?: DeleteOptions): Promise<DeletedEntries> {
    checkPath(path)
    checkOptions('delete', options)
    return await this.#changing([path], options, () => this.#parts.changes.delete(path, options))
  }

  async setAttributes(path: string, changes: AttributeChanges): Promise<{ readonly files: number }> {
    checkPath(path)
    checkOptions('setAttributes', changes)
    return await this.#changing([path], changes, () => this.#parts.changes.setAttributes(path, changes))
  }

  async details(path: string, options?: StatOptions): Promise<FileDetails> {
    checkPath(path)
    checkOptions('stat', options)
    return await unlessAborted(options, () => this.#parts.upkeep.details(path, options))
  }

  async *listDetails(path: string, options?: ListOptions): AsyncGenerator<readonly FileDetails[], void, undefined> {
    checkPath(path)
    checkOptions('list', options)
    yield* eachUnlessAborted(options, this.#parts.upkeep.listDetails(path, options))
  }

  async placement(path: string, options?: StatOptions): Promise<FilePlacement> {
    checkPath(path)
    checkOptions('stat', options)
    return await unlessAborted(options, () => this.#parts.upkeep.placement(path, options))
  }

  async free(path: string, options?: FreeOptions): Promise<FreedFiles> {
    checkPath(path)
    checkOptions('free', options)
    return await this.#changing([path], options, () => this.#parts.upkeep.free(path, options))
  }

  async persist(path: string, options?: CallSignal): Promise<PersistedFiles> {
    checkPath(path)
    checkOptions('call', options)
    return await this.#changing([path], options, () => this.#parts.upkeep.persist(path, options))
  }

  async loadMetadata(path: string, options?: LoadMetadataOptions): Promise<LoadedMetadata> {
    checkPath(path)
    checkOptions('loadMetadata', options)
    return await this.#changing([path], options, () => this.#parts.upkeep.loadMetadata(path, options))
  }

  async checkConsistency(path: string, options?: CheckOptions): Promise<CheckedConsistency> {
    checkPath(path)
    checkOptions('checkConsistency', options)
    return await this.#changing([path], options, () => this.#parts.upkeep.checkConsistency(path, options))
  }

  append(path: string): Promise<never> {
    return unsupported(`appending to ${path}`)
  }

  truncate(path: string): Promise<never> {
    return unsupported(`truncating ${path}`)
  }

  close(): Promise<void> {
    this.#closed ??= this.#parts.reads.close().then(this.#parts.disconnect)
    return this.#closed
  }

  /** Also a change that failed may have happened. */
  async #changing<T>(paths: readonly string[], options: CallSignal | undefined, change: () => Promise<T>): Promise<T> {
    try {
      return await unlessAborted(options, change)
    } finally {
      for (const path of paths) this.#parts.opened.forget(path)
    }
  }
}

function unsupported(what: string): Promise<never> {
  const why = `${what} is not supported: objects of a store are written as a whole`
  return Promise.reject(new SkeinError('unimplemented', why))
}
