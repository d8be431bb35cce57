// Why: clients of GooseFS begin, complete and cancel files by their paths; here a file that is
// being written has an id and no name yet. How: the calls of the lifecycle service, with a request
// key that follows from the path (ids/pending-paths.ts). A second CreateFile of a path gives up
// what the first began, unless it is the same call again. Sequence of calls: src/io/file_writer.rs
// of the Rust client, 0.2.2.
import { shownOwnership } from '../../base/attributes/ownership.ts'
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { followPolicy } from '../../client/write/policy-at-end.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { LifecycleServiceDefinition, UnfinishedFile } from '../../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { CallOptions, Service } from '../../wire/service.ts'
import type {
  CommitLocationPRequest,
  CompleteFilePRequest,
  CreateFilePRequest,
  FileInfo,
  FileSystemMasterClientServiceDefinition,
} from '../generated/goosefs/files.ts'
import { blockOfNative, bytesOfNative, fileIdOfNative, nativeFileId } from '../ids/native-ids.ts'
import { requestKeyOfPath, ufsPathOfPending } from '../ids/pending-paths.ts'
import type { NativeCall, NativeHandlers } from '../native-service.ts'
import { checksumOf, modeOf, operationOf, ownerOf, policyOfWriteType } from './creation-options.ts'
import { mountId } from './file-info-translation.ts'
import { newPathGiven } from './given-paths.ts'
import { RememberedCalls } from './remembered-calls.ts'
import { TurnsOfPaths } from './turns-of-paths.ts'

type Methods = 'createFile' | 'completeFile' | 'commitLocation' | 'removeBlocks' | 'scheduleAsyncPersistence'
export type WritingHandlers = Required<Pick<NativeHandlers<typeof FileSystemMasterClientServiceDefinition>, Methods>>

export interface WritingParts {
  readonly lifecycle: Pick<
    Service<typeof LifecycleServiceDefinition>,
    'createFile' | 'completeFile' | 'abandonFile' | 'getUnfinishedFile' | 'persist'
  >
  readonly master: Pick<Service<typeof MasterServiceDefinition>, 'getStatus' | 'free'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly logger: Logger
  /** Aborts when the master stops: what goes on after an answer ends. */
  readonly signal: AbortSignal
}

export function writingHandlers(parts: WritingParts): WritingHandlers {
  const files = new WrittenPaths(parts)
  return {
    createFile: async (request, call) => ({ fileInfo: await files.create(request, call) }),
    completeFile: async (request, call) => {
      await files.complete(request, call)
      return {}
    },
    commitLocation: async (request, call) => {
      await files.commitLocation(request, call)
      return {}
    },
    removeBlocks: async ({ blockIds }, call) => {
      await files.abandonWith(blockIds, call)
      return {}
    },
    scheduleAsyncPersistence: async ({ path }, call) => {
      await files.persistLater(newPathGiven(path), call)
      return {}
    },
  }
}

class WrittenPaths {
  readonly #parts: WritingParts
  readonly #turns = new TurnsOfPaths()
  /** Ids of the files that calls began. */
  readonly #begun = new RememberedCalls<number>()
  /** What calls completed; a repeated one waits for the store as the first did. */
  readonly #completed = new RememberedCalls<UnfinishedFile>()

  constructor(parts: WritingParts) {
    this.#parts = parts
  }

  create({ path: text, options = {} }: CreateFilePRequest, call: NativeCall): Promise<FileInfo> {
    const path = newPathGiven(text)
    return this.#turns.run(path, () => this.#create(path, options, call))
  }

  async #create(
    path: string,
    options: NonNullable<CreateFilePRequest['options']>,
    { user, signal }: NativeCall,
  ): Promise<FileInfo> {
    const { lifecycle, clock } = this.#parts
    const { blockSizeBytes = 0n, recursive = true, commonOptions } = options
    const [mode, owner, operation] = [modeOf(options.mode), ownerOf(user), operationOf(commonOptions)]
    const request = {
      ...{ path, requestKey: requestKeyOfPath(path), writePolicy: policyOfWriteType(options.writeType) },
      blockSizeBytes: bytesOfNative(blockSizeBytes, 'blockSizeBytes'),
      ...(mode !== undefined && { mode }),
      ...(owner !== undefined && { owner }),
    }
    if (!recursive) await this.#checkParent(path, { signal })
    const before = await this.#unfinished({ requestKey: request.requestKey }, { signal })
    if (before !== undefined && this.#begun.of(operation) !== before.fileId)
      await lifecycle.abandonFile({ fileId: before.fileId }, { signal })
    const file = await lifecycle.createFile(request, { signal })
    this.#begun.set(operation, file.fileId)
    const nowMs = BigInt(Math.floor(clock.nowMs()))
    return {
      ...{ fileId: nativeFileId(file.fileId), name: path.slice(path.lastIndexOf('/') + 1), path },
      ...{ ufsPath: ufsPathOfPending(path, file.fileId), mountId, mountPoint: false },
      ...{ length: 0n, blockSizeBytes: BigInt(file.blockSizeBytes), blockIds: [], fileBlockInfos: [] },
      ...{ creationTimeMs: nowMs, lastModificationTimeMs: nowMs, lastAccessTimeMs: nowMs },
      ...{ completed: false, folder: false, cacheable: true, persisted: false, persistenceState: 'NOT_PERSISTED' },
      ...shownOwnership('file', { owner, mode }),
      xattr: {},
    }
  }

  /** @throws SkeinError not_found, failed_precondition, what the master says of the blocks */
  async complete(
    { path: text, options = { locations: [] }, inodeId }: CompleteFilePRequest,
    { signal }: NativeCall,
  ): Promise<void> {
    const path = newPathGiven(text)
    const { lifecycle } = this.#parts
    const clientMetadata = { values: checksumOf(options) }
    const operation = operationOf(options.commonOptions)
    const done = this.#completed.of(operation)
    if (done?.path === path) return void (await followPolicy(this.#parts, done, signal))
    const given = inodeId === undefined ? undefined : fileIdOfNative(inodeId)
    const file = await this.#unfinished(
      given === undefined ? { requestKey: requestKeyOfPath(path) } : { fileId: given },
      { signal },
    )
    const fileId = file?.fileId ?? given
    // The id alone would complete what somebody else writes elsewhere.
    if (fileId === undefined || (file !== undefined && file.path !== path))
      throw new SkeinError('not_found', `${path} is not being written: create it first`)
    const { ufsLength } = options
    const length =
      ufsLength === undefined ? (file?.notedBytes ?? file?.uploadedBytes ?? 0) : bytesOfNative(ufsLength, 'ufsLength')
    await lifecycle.completeFile({ fileId, length, clientMetadata, asNoted: true }, { signal })
    if (file === undefined) return
    this.#completed.set(operation, file)
    await followPolicy(this.#parts, file, signal)
    if (options.asyncPersistOptions !== undefined && file.writePolicy === 'MUST_CACHE')
      await this.persistLater(file.path, { signal })
  }

  /**
   * Where a block is, the workers say; this only says whether the file is still being written.
   * @throws SkeinError not_found, invalid_argument: a block of another file
   */
  async commitLocation(
    { path: text, inodeId, blockId }: CommitLocationPRequest,
    { signal }: NativeCall,
  ): Promise<void> {
    const path = newPathGiven(text)
    const request = inodeId === undefined ? { requestKey: requestKeyOfPath(path) } : { fileId: fileIdOfNative(inodeId) }
    const file = await this.#unfinished(request, { signal })
    if (file?.path !== path) throw new SkeinError('not_found', `${path} is not being written: create it first`)
    if (blockId === undefined || blockOfNative(blockId).fileId !== file.fileId)
      throw new SkeinError('invalid_argument', `block ${blockId} is none of ${path}`)
  }

  /** Gives up the files of these blocks that are being written. Others stay. */
  async abandonWith(blockIds: readonly bigint[], { signal }: NativeCall): Promise<void> {
    const fileIds = new Set(blockIds.map((id) => blockOfNative(id).fileId))
    for (const fileId of fileIds) await this.#parts.lifecycle.abandonFile({ fileId }, { signal })
  }

  /**
   * Begins to write a complete file to the store, unless the master does so by itself.
   * @throws SkeinError not_found
   */
  async persistLater(path: string, options: CallOptions): Promise<void> {
    const { master, lifecycle, logger, signal } = this.#parts
    const { persistenceState } = await master.getStatus({ path }, options)
    if (persistenceState !== 'NOT_PERSISTED') return
    lifecycle.persist({ path }, { signal }).then(
      ({ failures }) => {
        if (failures.length > 0) logger.warn('a file could not be persisted as was asked', { path, error: failures[0] })
      },
      (thrown: unknown) => {
        logger.warn('a file could not be persisted as was asked', { path, error: toSkeinError(thrown).message })
      },
    )
  }

  async #unfinished(
    request: { readonly fileId?: number; readonly requestKey?: string },
    options: CallOptions,
  ): Promise<UnfinishedFile | undefined> {
    try {
      return await this.#parts.lifecycle.getUnfinishedFile(request, options)
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return undefined
      throw thrown
    }
  }

  async #checkParent(path: string, options: CallOptions): Promise<void> {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (parent === '') return
    const { folder } = await this.#parts.master.getStatus({ path: parent }, options)
    if (!folder) throw new SkeinError('failed_precondition', `${path} cannot be written: ${parent} is a file`)
  }
}
