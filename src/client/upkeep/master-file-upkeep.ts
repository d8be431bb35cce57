// Why: the part of a file system for who looks after it (file-upkeep.ts), apart from what programs
// do. How: each method is a question to the master, in the words of the client.
import { neverAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { CallSignal, ListOptions, StatOptions } from '../file-system.ts'
import { listPages } from '../status/list-directory.ts'
import { treeMs } from '../write/file-changes.ts'
import { fileDetailsOf, filePlacementOf } from './file-details.ts'
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
} from './file-upkeep.ts'

export interface MasterFileUpkeepOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'getStatus' | 'listStatus' | 'openFile' | 'free'>
  readonly lifecycle: Pick<Service<LifecycleServiceDefinition>, 'persist' | 'loadMetadata' | 'checkConsistency'>
  /** The field of a request for the age that an option allows. */
  readonly syncOf: (options: StatOptions) => { readonly syncIntervalMs?: number }
}

export class MasterFileUpkeep implements FileUpkeep {
  readonly #options: MasterFileUpkeepOptions

  constructor(options: MasterFileUpkeepOptions) {
    this.#options = options
  }

  async details(path: string, options: StatOptions = {}): Promise<FileDetails> {
    const { master, syncOf } = this.#options
    return fileDetailsOf(await master.getStatus({ path, ...syncOf(options) }, callOf(options)))
  }

  async *listDetails(path: string, options: ListOptions = {}): AsyncGenerator<readonly FileDetails[], void, undefined> {
    const { master, syncOf } = this.#options
    for await (const { files } of listPages(master, { path, ...syncOf(options) }, options))
      if (files.length > 0) yield files.map(fileDetailsOf)
  }

  async placement(path: string, options: StatOptions = {}): Promise<FilePlacement> {
    const { master, syncOf } = this.#options
    const opened = await master.openFile({ path, ...syncOf(options) }, callOf(options))
    if (opened.file === undefined || opened.file.folder)
      throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
    return filePlacementOf(opened.file, opened)
  }

  async free(path: string, { force = false, ...options }: FreeOptions = {}): Promise<FreedFiles> {
    const { paths, freedBytes } = await this.#options.master.free({ path, force }, treeCallOf(options))
    return { paths, bytes: freedBytes }
  }

  async persist(path: string, options: CallSignal = {}): Promise<PersistedFiles> {
    return await this.#options.lifecycle.persist({ path }, treeCallOf(options))
  }

  async loadMetadata(
    path: string,
    { recursive = false, ...options }: LoadMetadataOptions = {},
  ): Promise<LoadedMetadata> {
    const { unusable, ...counted } = await this.#options.lifecycle.loadMetadata(
      { path, recursive },
      treeCallOf(options),
    )
    return { ...counted, ...(unusable !== undefined && { unusable }) }
  }

  async checkConsistency(path: string, { repair = false, ...options }: CheckOptions = {}): Promise<CheckedConsistency> {
    const { lifecycle } = this.#options
    const { unreadable, unusable, ...found } = await lifecycle.checkConsistency({ path, repair }, treeCallOf(options))
    return { ...found, ...(unreadable !== undefined && { unreadable }), ...(unusable !== undefined && { unusable }) }
  }
}

function callOf({ signal = neverAborted() }: CallSignal): { readonly signal: AbortSignal } {
  return { signal }
}

function treeCallOf(options: CallSignal): { readonly signal: AbortSignal; readonly deadlineMs: number } {
  return { ...callOf(options), deadlineMs: treeMs }
}
