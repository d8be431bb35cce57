// Why: clients of other protocols name a block, and with it a file by its id, again and again: the
// master should not be asked for each read. How: what it said of an id is kept for a short time. A
// file that was freed has another id: what was read of it before is read on under the new one, if
// it is the same version at the store. Bounded by files and by blocks.
import { type Clock, neverAborted, untilAborted } from '../../base/clock.ts'
import { isSkeinError } from '../../base/errors.ts'
import type { FileInfo, MasterServiceDefinition, OpenFileResponse } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { FileVersion, type FileVersionOptions, isSameContent } from './file-version.ts'

export interface FilesByIdOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'openFile' | 'refreshFile'>
  readonly reader: FileVersionOptions['reader']
  readonly clock: Clock
  /** Age of an answer that is used without asking again. Default: 1 s. */
  readonly keepMs?: number
  /** Files at most; the least recently used one goes first. Default: 1000. */
  readonly filesMax?: number
  /** Blocks of all these files. Default: 200,000. */
  readonly blocksMax?: number
}

interface Entry {
  readonly version: FileVersion
  readonly openedMs: number
  readonly blocks: number
  askedMs: number
}

/** After this time it is forgotten which blocks of a file were read whole. */
const versionMs = 60_000

export class FilesById {
  readonly #options: FilesByIdOptions
  readonly #keepMs: number
  /** In the order of the last use. */
  readonly #entries = new Map<number, Entry>()
  readonly #asking = new Map<number, Promise<FileVersion>>()
  #blocks = 0

  constructor(options: FilesByIdOptions) {
    this.#options = options
    this.#keepMs = options.keepMs ?? 1000
  }

  /**
   * The file of an id. `file` of the version is as it was when it was first opened.
   * @throws SkeinError not_found when no complete file has it; what the master throws; the signal's
   *   reason
   */
  async open(fileId: number, signal: AbortSignal): Promise<FileVersion> {
    const known = this.#entries.get(fileId)
    if (known !== undefined && this.#nowMs() - known.askedMs < this.#keepMs) {
      this.#entries.delete(fileId)
      this.#entries.set(fileId, known)
      return known.version
    }
    let asking = this.#asking.get(fileId)
    if (asking === undefined) {
      asking = this.#open(fileId, known).finally(() => this.#asking.delete(fileId))
      // All that wait for it may leave.
      asking.catch(() => undefined)
      this.#asking.set(fileId, asking)
    }
    return untilAborted(asking, signal)
  }

  async #open(fileId: number, known: Entry | undefined): Promise<FileVersion> {
    const askedMs = this.#nowMs()
    let opened: OpenFileResponse
    try {
      opened = await this.#ask(fileId, known?.version.file, neverAborted())
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) this.#forget(fileId)
      throw thrown
    }
    if (known !== undefined && askedMs - known.openedMs < versionMs) {
      known.version.renew(opened)
      known.askedMs = askedMs
      if (this.#entries.get(fileId) === known) this.#entries.delete(fileId)
      else this.#blocks += known.blocks
      this.#keep(fileId, known)
      return known.version
    }
    const { reader, clock } = this.#options
    // Its id is that which the caller knows.
    const file = known?.version.file ?? opened.file
    if (file === undefined) throw new Error('OpenFile returns a file')
    const version = new FileVersion(opened, file, {
      ...{ reader, clock },
      askAgain: (signal) => this.#ask(fileId, file, signal),
      onChanged: (changed) => this.#refresh(fileId, changed),
    })
    this.#forget(fileId)
    this.#blocks += opened.blocks.length
    this.#keep(fileId, { version, openedMs: askedMs, blocks: opened.blocks.length, askedMs })
    return version
  }

  /** @param before the file of this id, when it was seen before */
  async #ask(fileId: number, before: FileInfo | undefined, signal: AbortSignal): Promise<OpenFileResponse> {
    const { master } = this.#options
    try {
      return await master.openFile({ path: '', fileId }, { signal })
    } catch (thrown) {
      if (before === undefined || !isSkeinError(thrown, 'not_found')) throw thrown
      const opened = await master.openFile({ path: before.path }, { signal }).catch(() => undefined)
      const { file } = opened ?? {}
      const isSame = file !== undefined && !file.folder && isSameContent(file, before)
      if (opened === undefined || !isSame || file.blockSizeBytes !== before.blockSizeBytes) throw thrown
      return opened
    }
  }

  /** The store has another version by now. */
  async #refresh(fileId: number, { namespaceId, key }: FileInfo): Promise<void> {
    this.#forget(fileId)
    await this.#options.master.refreshFile({ namespaceId, key }, { signal: neverAborted() }).catch(() => undefined)
  }

  #keep(fileId: number, entry: Entry): void {
    const { filesMax = 1000, blocksMax = 200_000 } = this.#options
    this.#entries.set(fileId, entry)
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= filesMax && this.#blocks <= blocksMax) return
      this.#forget(oldest)
    }
  }

  #forget(fileId: number): void {
    this.#blocks -= this.#entries.get(fileId)?.blocks ?? 0
    this.#entries.delete(fileId)
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}
