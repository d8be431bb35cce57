// Why: users of a cluster get one file system (file-system.ts). How: made of a half that reads and
// a half that changes things. What was changed is opened anew by the next reader.
import { SkeinError } from '../base/errors.ts'
import type {
  AttributeChanges,
  BlockLocation,
  CacheUsage,
  CallSignal,
  CreateOptions,
  DeleteOptions,
  FileHandle,
  FileOutput,
  FileRange,
  FileStatus,
  FileSystem,
  ListOptions,
  OpenOptions,
  PathSummary,
  StatOptions,
} from './file-system.ts'
import type { FileReads } from './open/file-reads.ts'
import type { OpenedFiles } from './open/opened-files.ts'
import type { FileChanges } from './write/file-changes.ts'

export interface FileSystemParts {
  readonly reads: FileReads
  readonly changes: FileChanges
  readonly opened: Pick<OpenedFiles, 'forget'>
  /** Called once, when all handles are closed. */
  readonly disconnect: () => Promise<void>
}

export class ConnectedFileSystem implements FileSystem {
  readonly #parts: FileSystemParts
  #closed: Promise<void> | undefined

  constructor(parts: FileSystemParts) {
    this.#parts = parts
  }

  stat(path: string, options?: StatOptions): Promise<FileStatus> {
    return this.#parts.reads.stat(path, options)
  }

  list(path: string, options?: ListOptions): AsyncIterable<readonly FileStatus[]> {
    return this.#parts.reads.list(path, options)
  }

  open(path: string, options?: OpenOptions): Promise<FileHandle> {
    return this.#parts.reads.open(path, options)
  }

  blockLocations(path: string, range?: FileRange, options?: CallSignal): Promise<readonly BlockLocation[]> {
    return this.#parts.reads.blockLocations(path, range, options)
  }

  summary(path: string, options?: StatOptions): Promise<PathSummary> {
    return this.#parts.reads.summary(path, options)
  }

  usage(options?: CallSignal): Promise<CacheUsage> {
    return this.#parts.reads.usage(options)
  }

  async create(path: string, options?: CreateOptions): Promise<FileOutput> {
    const output = await this.#parts.changes.create(path, options)
    return {
      write: (chunk) => output.write(chunk),
      close: (metadata) => this.#changing([path], () => output.close(metadata)),
      abort: () => output.abort(),
    }
  }

  makeDirectory(path: string, options?: CallSignal): Promise<void> {
    return this.#parts.changes.makeDirectory(path, options)
  }

  rename(from: string, to: string, options?: CallSignal): Promise<void> {
    return this.#changing([from, to], () => this.#parts.changes.rename(from, to, options))
  }

  delete(path: string, options?: DeleteOptions): Promise<void> {
    return this.#changing([path], () => this.#parts.changes.delete(path, options))
  }

  setAttributes(path: string, changes: AttributeChanges): Promise<void> {
    return this.#changing([path], () => this.#parts.changes.setAttributes(path, changes))
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
  async #changing<T>(paths: readonly string[], change: () => Promise<T>): Promise<T> {
    try {
      return await change()
    } finally {
      for (const path of paths) this.#parts.opened.forget(path)
    }
  }
}

function unsupported(what: string): Promise<never> {
  const why = `${what} is not supported: objects of a store are written as a whole`
  return Promise.reject(new SkeinError('unimplemented', why))
}
