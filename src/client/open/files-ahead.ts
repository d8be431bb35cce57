// Why: a program that reads the small files of a directory one after the other waits for three
// calls per file: what it is, where its block is, and its bytes. How: whoever sees such a program
// (a mount) says where it is, and the next files are opened with one call to the master, as `open`
// would find them, and their blocks are read with one call to each worker on this host. Both are
// kept for a moment (opened-files.ts, small-blocks.ts). It is only ahead: what is not there when it
// is needed is asked for as always.
import { isSkeinError } from '../../base/errors.ts'
import type { FileInfo, MasterServiceDefinition, OpenFileResponse, WorkerInfo } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { FileStatus } from '../file-system.ts'
import { type NearBlock, nearBlock } from '../read/near-block.ts'
import type { ShortCircuitReader } from '../read/short-circuit-reader.ts'
import { fileStatusOf } from '../status/file-status.ts'
import type { OpenedFiles } from './opened-files.ts'

/** Files behind a name of a directory. */
export interface NextFiles {
  readonly directory: string
  readonly startAfter: string
  readonly limit: number
}

export type FileAhead = Pick<FileStatus, 'name' | 'fileId' | 'length'>

/** Who wants the content of files that are opened ahead. */
export interface ContentAhead {
  /** Whether a file that is opened ahead will be read here. */
  isWanted(file: FileAhead): boolean
  /** Takes the whole content of such a file, when it was read. Does not throw. */
  onContent(file: FileAhead, bytes: Uint8Array): void
}

/** What a mount needs of it. */
export interface FilesAhead {
  /**
   * Opens files behind a name of a directory, and reads the content of small ones that is on this
   * host. @returns their names, in order, when they are opened; content comes later
   * @throws SkeinError unimplemented for a master that cannot, and what the master throws
   */
  open(next: NextFiles, content: ContentAhead, signal: AbortSignal): Promise<readonly string[]>
  /**
   * What is at a path, as `stat` says. A file can be opened without a call for a moment.
   * @throws SkeinError not_found, and what the master throws
   */
  look(path: string, signal: AbortSignal): Promise<FileStatus>
  /** What was seen of a path shortly before, and how long before. */
  seen(path: string): { readonly status: FileStatus; readonly ageMs: number } | undefined
}

/** Longer files are worth calls of their own. */
export const smallFileBytesMax = 128 * 1024
/** A file of more blocks is opened with a call of its own: a look should stay short. */
const lookBlocksMax = 16
/** Bytes of one answer whose blocks are read. */
const aheadBytesMax = 8 * 1024 * 1024

export interface OpenedAheadOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'openNextFiles' | 'openFile' | 'getStatus'>
  readonly opened: Pick<OpenedFiles, 'keepAnswers' | 'kept'>
  readonly near: Pick<ShortCircuitReader, 'readAhead'>
  /** Name of this host. */
  readonly hostname: string
  readonly syncIntervalMs: number | undefined
}

export class OpenedAhead implements FilesAhead {
  readonly #options: OpenedAheadOptions

  constructor(options: OpenedAheadOptions) {
    this.#options = options
  }

  async open(
    { directory, startAfter, limit }: NextFiles,
    content: ContentAhead,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { master, opened, near, hostname, syncIntervalMs } = this.#options
    const keep = opened.keepAnswers()
    const { files, workers } = await master.openNextFiles(
      {
        directory,
        startAfter,
        limit,
        lengthMax: smallFileBytesMax,
        ...(syncIntervalMs !== undefined && { syncIntervalMs }),
      },
      { signal },
    )
    const byId = new Map(workers.map((worker) => [worker.workerId, worker]))
    const here = new Map<NearBlock, FileInfo>()
    const names: string[] = []
    let bytes = 0
    for (const { file, blocks } of files) {
      if (file === undefined) continue
      const ids = new Set(blocks.flatMap(({ workerIds }) => workerIds))
      const answer = { file, blocks, workers: [...ids].flatMap((id) => byId.get(id) ?? []) }
      keep(file.path, answer)
      names.push(file.name)
      const block = content.isWanted(file) ? nearBlockOf(answer, file, hostname) : undefined
      bytes += file.length
      if (block !== undefined && bytes <= aheadBytesMax) here.set(block, file)
    }
    // Who needs one of them before it is there reads it itself.
    near.readAhead([...here.keys()], (block, read) => {
      const file = here.get(block)
      if (file !== undefined) content.onContent(file, read)
    })
    return names
  }

  async look(path: string, signal: AbortSignal): Promise<FileStatus> {
    const { master, opened, syncIntervalMs } = this.#options
    const keep = opened.keepAnswers()
    const request = { path, ...(syncIntervalMs !== undefined && { syncIntervalMs }) }
    const answer = await master.openFile({ ...request, lookBlocksMax }, { signal }).catch((thrown: unknown) => {
      // A master of an older version knows no looks: to it this opens a directory.
      if (!isSkeinError(thrown, 'failed_precondition')) throw thrown
    })
    const file = answer?.file
    if (answer === undefined || file === undefined) return fileStatusOf(await master.getStatus(request, { signal }))
    if (!file.folder && answer.untold !== true) keep(file.path, answer)
    return fileStatusOf(file)
  }

  seen(path: string): { readonly status: FileStatus; readonly ageMs: number } | undefined {
    const known = this.#options.opened.kept(path)
    const file = known?.opened.file
    return known === undefined || file === undefined ? undefined : { status: fileStatusOf(file), ageMs: known.ageMs }
  }
}

/** The only block of a file, if a worker on this host has it. */
function nearBlockOf(
  { blocks, workers }: Pick<OpenFileResponse, 'blocks' | 'workers'>,
  file: FileInfo,
  hostname: string,
): NearBlock | undefined {
  const isHere = (worker: WorkerInfo): boolean => worker.live && worker.hostname === hostname
  const worker = blocks.length === 1 ? workers.find(isHere) : undefined
  return worker === undefined ? undefined : nearBlock(file, 0, worker)
}
