// Why: the half of a file system that reads (file-system.ts), apart from the half that changes
// things. How: questions go to the master; opened files are kept for a short time (opened-files.ts)
// and read by their handles.
import { type Clock, neverAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { FileInfo, MasterServiceDefinition, OpenFileResponse } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type {
  CallSignal,
  FileHandle,
  FileRange,
  FileStatus,
  FileSystem,
  ListOptions,
  OpenOptions,
  StatOptions,
} from '../file-system.ts'
import type { FileReader } from '../read/file-reader.ts'
import type { BlockLocation, CacheUsage, PathSummary } from '../status/amounts.ts'
import { blockLocationsOf } from '../status/block-locations.ts'
import { fileStatusOf } from '../status/file-status.ts'
import { listDirectory } from '../status/list-directory.ts'
import { FileVersion } from './file-version.ts'
import type { AheadMemory } from './ahead-memory.ts'
import type { FillPart } from './ahead-part.ts'
import { OpenFile } from './open-file.ts'
import type { OpenedFiles } from './opened-files.ts'
import { ReadAhead } from './handle-read-ahead.ts'

export interface FileReadsOptions {
  readonly master: Pick<
    Service<MasterServiceDefinition>,
    'getStatus' | 'listStatus' | 'openFile' | 'refreshFile' | 'count' | 'getClusterSummary'
  >
  readonly reader: Pick<FileReader, 'readOpened' | 'readFromFile' | 'isInFile' | 'keptBytes'>
  readonly opened: OpenedFiles
  /** Maximum age of the master's metadata. Undefined: the master's default. */
  readonly syncIntervalMs?: number | undefined
  /** Memory for reading ahead, of all handles. Undefined: nothing is read ahead. */
  readonly ahead?: AheadMemory | undefined
  readonly clock: Clock
}

interface Sync {
  readonly syncIntervalMs?: number
}

export class FileReads implements Pick<FileSystem, 'stat' | 'list' | 'open' | 'blockLocations' | 'summary' | 'usage'> {
  readonly #options: FileReadsOptions
  readonly #handles = new Set<FileHandle>()

  constructor(options: FileReadsOptions) {
    this.#options = options
  }

  async stat(path: string, { signal = neverAborted(), ...options }: StatOptions = {}): Promise<FileStatus> {
    return fileStatusOf(await this.#options.master.getStatus({ path, ...this.syncOf(options) }, { signal }))
  }

  list(path: string, options: ListOptions = {}): AsyncIterable<readonly FileStatus[]> {
    return listDirectory(this.#options.master, path, options, this.syncOf(options).syncIntervalMs)
  }

  async open(path: string, options: OpenOptions = {}): Promise<FileHandle> {
    const { master, opened, reader, clock, ahead: memory } = this.#options
    const answer = await this.#ask(path, options)
    const { file } = answer
    if (file === undefined || file.folder)
      throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
    const version = new FileVersion(answer, file, {
      reader,
      clock,
      askAgain: (signal) => opened.open(path, true, () => master.openFile({ path, ...this.syncOf({}) }, { signal })),
      onChanged: (changed) => this.#refresh(path, changed),
      onSource: options.onSource,
    })
    const { length } = file
    const readRange: FillPart = (range, target, signal, onBytes) => version.readInto(range, target, signal, onBytes)
    const isAhead = memory !== undefined && options.readAhead !== false
    const isInFile = (offset: number): boolean => version.isInFile(offset)
    const ahead = isAhead ? new ReadAhead({ readRange, isInFile, length, memory, clock }) : undefined
    const handle: FileHandle = new OpenFile(fileStatusOf(file), version, ahead, () => this.#handles.delete(handle))
    this.#handles.add(handle)
    return handle
  }

  async blockLocations(
    path: string,
    range: FileRange = { offset: 0 },
    options: CallSignal = {},
  ): Promise<readonly BlockLocation[]> {
    return blockLocationsOf(await this.#ask(path, options), range)
  }

  async summary(path: string, { signal = neverAborted(), ...options }: StatOptions = {}): Promise<PathSummary> {
    const counted = await this.#options.master.count({ path, ...this.syncOf(options) }, { signal })
    const { files, folders, bytes, cachedBytes } = counted
    return { files, directories: folders, bytes, cachedBytes }
  }

  async usage({ signal = neverAborted() }: CallSignal = {}): Promise<CacheUsage> {
    const { capacityBytes, usedBytes } = await this.#options.master.getClusterSummary({}, { signal })
    return { capacityBytes, usedBytes }
  }

  /** The field of a request for the age that an option allows. */
  syncOf({ maxAgeMs = this.#options.syncIntervalMs }: StatOptions): Sync {
    if (maxAgeMs === undefined) return {}
    return { syncIntervalMs: maxAgeMs === Number.POSITIVE_INFINITY ? -1 : maxAgeMs }
  }

  /** Closes all handles. */
  async close(): Promise<void> {
    await Promise.all([...this.#handles].map((handle) => handle.close()))
  }

  #ask(path: string, { signal = neverAborted(), ...options }: StatOptions): Promise<OpenFileResponse> {
    const { master, opened } = this.#options
    const ask = (): Promise<OpenFileResponse> => master.openFile({ path, ...this.syncOf(options) }, { signal })
    return opened.open(path, options.maxAgeMs !== undefined, ask)
  }

  /** The next open finds what the store has now. */
  async #refresh(path: string, { namespaceId, key }: FileInfo): Promise<void> {
    this.#options.opened.forget(path)
    await this.#options.master.refreshFile({ namespaceId, key }, { signal: neverAborted() }).catch(() => undefined)
  }
}
