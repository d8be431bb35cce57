// Why: files are written into the cache so that they survive the crash of any one process: every
// block is on a worker's disk before the file becomes visible. How: the master creates the file,
// which nobody sees, and an output (file-output.ts) writes its blocks and completes it. All outputs
// of a writer share one budget for the bytes that they keep.
import { ownershipOf } from '../../base/attributes/ownership.ts'
import { SkeinError } from '../../base/errors.ts'
import { CachedFileOutput, type FileOutputParts } from './file-output.ts'

export interface FileWriterOptions extends FileOutputParts {
  /** Block size of new files. Default: from their namespace. */
  readonly blockSizeBytes?: number | undefined
  /** Returns a unique word per file. It identifies a repeated call whose first answer was lost. */
  readonly uniqueId: () => string
}

export interface NewFile {
  /** Bytes, if they are known: more or fewer are refused, and only their room is reserved. */
  readonly length?: number | undefined
  /** Default: the writer's. */
  readonly blockSizeBytes?: number | undefined
  /** A directory of its name may be there, too. Default: false. */
  readonly asObject?: boolean | undefined
  /** It takes the place of a file of this name when it is closed. Default: false. */
  readonly overwrite?: boolean | undefined
  /** With `overwrite`: only the file of this id. */
  readonly ifFileId?: number | undefined
  /** From the moment when it is closed. Default: the namespace's. */
  readonly ttl?: { readonly ms: number; readonly action: 'FREE' | 'DELETE' } | undefined
  /** Default: the master's, or those of the file that is overwritten. */
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly mode?: number | undefined
  /** Stored with the object. */
  readonly contentType?: string | undefined
  readonly userMetadata?: Readonly<Record<string, string>> | undefined
  /** What a door tells its clients of this version; not stored with the object. */
  readonly clientMetadata?: Readonly<Record<string, string>> | undefined
}

export class FileWriter {
  readonly #options: FileWriterOptions

  constructor(options: FileWriterOptions) {
    this.#options = options
  }

  /**
   * Begins the file `path`, which nobody sees before its output is closed. When the signal aborts,
   * so is the output.
   * @throws SkeinError already_exists (of a file that overwrites: a directory), not_found
   *   (namespace), invalid_argument (not a file path or length), failed_precondition (read-only),
   *   resource_exhausted (`too_many_unfinished`), aborted (`file_changed`, with `ifFileId`)
   */
  async create(path: string, newFile: NewFile, signal: AbortSignal): Promise<CachedFileOutput> {
    const { length, overwrite = false, ifFileId, ttl, contentType, userMetadata, clientMetadata } = newFile
    if (length !== undefined && (!Number.isSafeInteger(length) || length < 0))
      throw new SkeinError('invalid_argument', `${length} is not a valid file length`)
    const { lifecycle, uniqueId } = this.#options
    const request = {
      path,
      blockSizeBytes: newFile.blockSizeBytes ?? this.#options.blockSizeBytes ?? 0,
      requestKey: uniqueId(),
      ...(newFile.asObject === true && { asObject: true }),
      ...(overwrite && { overwrite }),
      ...(ifFileId !== undefined && { ifFileId }),
      ...(ttl !== undefined && { ttlMs: ttl.ms, ttlAction: ttl.action }),
      ...ownershipOf(newFile),
      ...(contentType !== undefined && { contentType }),
      ...(userMetadata !== undefined && { userMetadata: { values: { ...userMetadata } } }),
      ...(clientMetadata !== undefined && { clientMetadata: { values: { ...clientMetadata } } }),
    }
    const file = await lifecycle.createFile(request, { signal })
    return new CachedFileOutput(this.#options, { path, file, length, overwrite, signal })
  }
}
