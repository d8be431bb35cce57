// Why: files come into the cache from its users too. How: a writer gets an id, then a worker a
// block; the file is seen once every block is on a worker, and given up after a time when its
// writer never says so (meta/apply/written-files.ts). There are only so many at a time: a writer
// that begins files and ends none cannot fill the state with them. One that overwrites holds the
// path while it takes the place of the old file: what is being written of that to the store is
// there or is not, and the new file's record says what it replaces there.
import { toldMetadata } from '../../base/attributes/door-metadata.ts'
import { storedMetadata } from '../../base/attributes/object-metadata.ts'
import { ownershipOf } from '../../base/attributes/ownership.ts'
import { blockCount, blockIdOf, blocksPerFileMax } from '../../base/block-id.ts'
import type { Random } from '../../base/clock.ts'
import { formatDuration } from '../../base/durations.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { pathOfText } from '../../base/paths.ts'
import {
  directoryAt,
  fileAt,
  listedAtMs,
  namespaceById,
  type Place,
  placeOf,
  placeOfText,
  rootMount,
} from '../../meta/resolve-path.ts'
import type { CompleteFile, CreateFile } from '../../meta/commands/lifecycle-commands.ts'
import { pendingParentId, type NamespaceRecord, type PendingInode } from '../../meta/meta-tables.ts'
import type {
  CompleteFileRequest,
  CompleteFileResponse,
  CreateFileRequest,
  CreateFileResponse,
  NoteUploadRequest,
  NoteWrittenBlockRequest,
  PlaceBlockRequest,
  PlaceBlockResponse,
  UnfinishedFile,
  UnfinishedFileRequest,
} from '../../wire/generated/lifecycle.ts'
import type { CallOptions } from '../../wire/service.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { checkStorable, checkWritable } from '../store/object-changes.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { fileInfo, metadataInfo } from '../paths/file-info.ts'
import { checkNotBelowFile, mayStandBeside } from '../paths/names-beside.ts'
import type { PathHolds } from '../paths/path-holds.ts'
import { ownPolicy, pendingFile, policyOf, renewDeadline, replacedVersion, unfinishedFile } from './begun-files.ts'
import { placeForBlock } from './block-placing.ts'
import { NotedBlocks } from './noted-blocks.ts'
import { checkUploaded, NotedUploads } from './noted-uploads.ts'
import type { PersistService } from './persisting.ts'
import type { UploadedFiles } from './uploaded-files.ts'

/**
 * A writer is told of a worker's report before the master is, so a complete file's blocks may be on
 * their way.
 */
const reportLooks = 100
const reportPauseMs = 50

interface FileWritingParts {
  readonly sync: StoreSync
  readonly holds: PathHolds
  readonly persisting: Pick<PersistService, 'settle'>
  readonly random: Random
  readonly uploaded: Pick<UploadedFiles, 'complete' | 'abandon'>
}

export class WrittenFileService {
  readonly #context: MasterContext
  readonly #sync: StoreSync
  readonly #holds: PathHolds
  readonly #persisting: Pick<PersistService, 'settle'>
  readonly #random: Random
  readonly #noted: NotedBlocks
  readonly #uploaded: FileWritingParts['uploaded']
  readonly #uploads: NotedUploads
  /** Files that are being begun: not counted yet. */
  #beginning = 0

  constructor(context: MasterContext, { sync, holds, persisting, random, uploaded }: FileWritingParts) {
    this.#context = context
    this.#sync = sync
    this.#holds = holds
    this.#persisting = persisting
    this.#random = random
    const isPending = (fileId: number): boolean => context.tables.inode(fileId)?.kind === 'pending'
    this.#noted = new NotedBlocks(isPending)
    this.#uploaded = uploaded
    this.#uploads = new NotedUploads(isPending)
  }

  /**
   * @throws SkeinError invalid_argument, not_found (namespace), failed_precondition (read-only),
   *   already_exists, resource_exhausted (`too_many_unfinished`)
   */
  async create(request: CreateFileRequest, { signal }: CallOptions): Promise<CreateFileResponse> {
    const { log, clock, options } = this.#context
    const { record, key } = this.#placeOfNew(request.path)
    checkWritable(record, 'nothing is written there')
    checkStorable(record, key)
    const blockSizeBytes = request.blockSizeBytes === 0 ? this.#sync.blockSizeBytes(record) : request.blockSizeBytes
    const own = ownPolicy(request)
    const writePolicy = policyOf(record, key, own)
    // Before the store is asked, and again after: others may have begun files meanwhile.
    this.#checkCount(request.requestKey)
    const overwrites = request.overwrite === true
    // The object that is replaced is the one that is there now, not one that was known before.
    const isAsked = overwrites && (writePolicy === 'CACHE_THROUGH' || writePolicy === 'THROUGH')
    const beside = mayStandBeside(record, request.asObject)
    if (!beside) await checkNotBelowFile({ ...this.#context, sync: this.#sync }, record, key, signal)
    const taken = await this.#takenAs(record, key, { overwrites, isAsked, beside }, signal)
    if (taken !== undefined) throw new SkeinError('already_exists', `${pathOf(record, key)} ${taken}`)
    this.#checkCount(request.requestKey)
    const replaces = overwrites ? await replacedVersion(this.#context, record, key, signal) : {}
    const atMs = clock.nowMs()
    const expiresMs = atMs + options.unfinishedFileMs
    this.#beginning += 1
    const { fileIds } = await log
      .submit({
        ...{ type: 'create_file', atMs, namespaceId: record.id, key, blockSizeBytes },
        requestKey: request.requestKey,
        expiresMs,
        ...{ ...(overwrites && { overwrites }), ...(beside && { beside }) },
        ...(request.ifFileId !== undefined && { overwritesId: request.ifFileId }),
        ...replaces,
        ...ttlOf(request),
        ...ownershipOf(request),
        ...storedMetadata({ ...request, userMetadata: request.userMetadata?.values }),
        ...toldMetadata({ clientMetadata: request.clientMetadata?.values }),
        ...(own !== undefined && { writePolicy: own }),
      })
      .catch(changedMeanwhile)
      .finally(() => (this.#beginning -= 1))
    const pending = pendingFile(this.#context.tables, fileIds[0] ?? 0)
    return { fileId: pending.id, namespaceId: record.id, key, blockSizeBytes: pending.blockSizeBytes, writePolicy }
  }

  /** @throws SkeinError invalid_argument, not_found */
  #placeOfNew(pathText: string): Place {
    const { tables } = this.#context
    const path = pathOfText(pathText)
    // Directly below `/` is something only where there is a root mount.
    const isNone = rootMount(tables) === undefined && /^\/[^/]*\/?$/.test(path)
    const place = isNone ? undefined : placeOfText(tables, path)
    if (place === undefined || place.key === '')
      throw new SkeinError(
        'invalid_argument',
        `${path.replace(/(.)\/$/, '$1')} cannot be written: give a file's path below a namespace, /namespace/file`,
      )
    if (place.key.endsWith('/'))
      throw new SkeinError('invalid_argument', `${path} cannot be written: remove the slash at the end`)
    return place
  }

  /**
   * A live worker for one block: the more room it has, the more often it is chosen.
   * @throws SkeinError not_found, invalid_argument, resource_exhausted (reason `no_capacity`),
   *   unavailable without workers
   */
  async place(request: PlaceBlockRequest): Promise<PlaceBlockResponse> {
    const { blockIndex, length } = request
    const pending = pendingFile(this.#context.tables, request.fileId)
    if (blockIndex >= blocksPerFileMax)
      throw new SkeinError('invalid_argument', `a file has at most ${blocksPerFileMax} blocks`)
    if (length > pending.blockSizeBytes) {
      throw new SkeinError(
        'invalid_argument',
        `a block of ${length} bytes is above the file's block size of ${pending.blockSizeBytes}`,
      )
    }
    const chosen = placeForBlock(this.#context, this.#random, request)
    await renewDeadline(this.#context, pending)
    const { workerId, hostname, rpcAddress, dataAddress } = chosen
    return { workerId, hostname, rpcAddress, dataAddress }
  }

  /**
   * Makes the file visible, in one step. Idempotent.
   * @throws SkeinError not_found (abandoned), already_exists, failed_precondition while a block has
   *   no replica or is not as it was noted, deadline_exceeded (`path_busy`) when it is to overwrite
   */
  async complete(request: CompleteFileRequest, options: CallOptions): Promise<CompleteFileResponse> {
    const { tables, log, clock } = this.#context
    const { fileId, length, contentType, userMetadata, clientMetadata } = request
    const known = tables.inode(fileId)
    if (known?.kind === 'file') {
      if (known.length === length) return this.#completed(fileId)
      throw new SkeinError('invalid_argument', `the file is complete already, with ${known.length} bytes`)
    }
    const pending = pendingFile(this.#context.tables, fileId)
    const blocks = blockCount(length, pending.blockSizeBytes)
    if (blocks > blocksPerFileMax)
      throw new SkeinError('invalid_argument', `a file has at most ${blocksPerFileMax} blocks: use a larger block size`)
    const upload = this.#uploads.of(fileId)
    if (upload !== undefined) checkUploaded(pending, upload, request)
    if (request.asNoted === true) this.#noted.check(pending, length, { mayMiss: upload !== undefined })
    if (upload === undefined) await this.#untilReported(pending, blocks, options.signal)
    const submit = (stored?: CompleteFile['stored']): Promise<unknown> =>
      log
        .submit({
          ...{ type: 'complete_file', atMs: clock.nowMs(), fileId, length, ...(stored !== undefined && { stored }) },
          ...(contentType !== undefined && { contentType }),
          ...(userMetadata !== undefined && { userMetadata: userMetadata.values }),
          ...(clientMetadata !== undefined && { clientMetadata: clientMetadata.values }),
        })
        .catch(changedMeanwhile)
    if (upload !== undefined) await this.#uploaded.complete(pending, upload, submit, options)
    else if (pending.overwrites === true) await this.#whileHeld(pending, submit, options)
    else await submit()
    this.#noted.forget(fileId)
    this.#uploads.forget(fileId)
    return this.#completed(fileId)
  }

  /** Waits until every block is on a live worker. */
  async #untilReported({ id: fileId, key }: PendingInode, blocks: number, signal: AbortSignal): Promise<void> {
    const { clock, workers } = this.#context
    for (let index = 0, looks = 1; index < blocks;) {
      workers.expire()
      if (workers.workerIds(blockIdOf(fileId, index)).length > 0) {
        index += 1
      } else if (looks >= reportLooks) {
        throw new SkeinError(
          'failed_precondition',
          `block ${index} of ${key} is on no live worker: write the file again`,
          {
            reason: 'block_missing',
          },
        )
      } else {
        looks += 1
        await clock.sleep(reportPauseMs, signal)
      }
    }
  }

  /** Nothing of the old file is on its way to the store meanwhile. */
  async #whileHeld(pending: PendingInode, act: () => Promise<unknown>, options: CallOptions): Promise<void> {
    const { key, namespaceId } = pending
    const record = namespaceById(this.#context.tables, namespaceId)
    if (record === undefined) throw new SkeinError('not_found', 'the namespace was deleted meanwhile')
    const patience = this.#holds.patienceOf(options)
    const hold = await this.#holds.take(record, [key], 'overwritten', patience)
    try {
      await this.#persisting.settle(record, key, patience)
      await act()
    } finally {
      hold.release()
    }
  }

  #completed(fileId: number): CompleteFileResponse {
    const { tables } = this.#context
    const file = tables.inode(fileId)
    const place = file?.kind === 'file' ? placeOf(tables, file) : undefined
    if (file?.kind !== 'file' || place === undefined) return {}
    return { file: { ...fileInfo(this.#context, place.record, place.key, file), ...metadataInfo(file) } }
  }

  /** @throws SkeinError not_found */
  unfinished(request: UnfinishedFileRequest): UnfinishedFile {
    const file = unfinishedFile(this.#context, request)
    const notedBytes = this.#noted.bytes(file.fileId)
    const uploadedBytes = this.#uploads.of(file.fileId)?.length
    return {
      ...{ ...file, ...(notedBytes !== undefined && { notedBytes }) },
      ...(uploadedBytes !== undefined && { uploadedBytes }),
    }
  }

  /** @throws SkeinError not_found, invalid_argument, already_exists (with another one) */
  async noteUpload({ fileId, workerId, length }: NoteUploadRequest): Promise<void> {
    const pending = pendingFile(this.#context.tables, fileId)
    const { writePolicy } = this.unfinished({ fileId })
    if (writePolicy === 'MUST_CACHE')
      throw new SkeinError('invalid_argument', `${pending.key} has no object of its own: it is written to the cache`)
    this.#uploads.note(pending, { workerId, length })
    await renewDeadline(this.#context, pending)
  }

  /** @throws SkeinError not_found, invalid_argument, already_exists (with another length) */
  async note({ fileId, blockIndex, length }: NoteWrittenBlockRequest): Promise<void> {
    const pending = pendingFile(this.#context.tables, fileId)
    this.#noted.note(pending, blockIndex, length)
    await renewDeadline(this.#context, pending)
  }

  /** Idempotent; a complete file stays. */
  async abandon(fileId: number): Promise<void> {
    this.#noted.forget(fileId)
    const upload = this.#uploads.forget(fileId)
    await this.#context.log.submit({ type: 'abandon_file', atMs: this.#context.clock.nowMs(), fileId })
    // Nobody waits for the store.
    if (upload !== undefined) void this.#uploaded.abandon(fileId, upload)
  }

  /** @throws SkeinError resource_exhausted, unless this asks again for a file that was begun */
  #checkCount(requestKey: string): void {
    const { tables, options } = this.#context
    const { unfinishedFilesMax, unfinishedFileMs } = options
    const unfinished = tables.counter('pending') + this.#beginning
    if (unfinished < unfinishedFilesMax) return
    if (requestKey !== '' && tables.edge(pendingParentId, `key:${requestKey}`) !== undefined) return
    const message =
      `${unfinished} files are being written, as many as skein.master.unfinished.files.max allows: ` +
      'complete or abandon some. ' +
      `A file whose writer went away is given up ${formatDuration(unfinishedFileMs)} after its last block was begun`
    throw new SkeinError('resource_exhausted', message, { reason: 'too_many_unfinished' })
  }

  /**
   * What has the name, here or at the store. The store is not asked where its listing of the
   * directory still holds, unless it `isAsked` for the object in any case.
   */
  async #takenAs(
    record: NamespaceRecord,
    key: string,
    { overwrites, isAsked, beside }: Readonly<Record<'overwrites' | 'isAsked' | 'beside', boolean>>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { tables } = this.#context
    const parent = directoryAt(tables, record.rootId, key.slice(0, key.lastIndexOf('/') + 1))
    const isKnown = parent !== undefined && this.#sync.isFresh(listedAtMs(tables, record, parent).childrenMs)
    const file =
      isKnown && !isAsked ? fileAt(tables, record.rootId, key) : await this.#sync.refresh(record, key, signal)
    if (file !== undefined) return overwrites ? undefined : 'exists already: remove it first'
    if (beside) return undefined
    const directory =
      directoryAt(tables, record.rootId, key) ??
      (isKnown ? undefined : await this.#sync.probeDirectory(record, `${key}/`, signal))
    return directory === undefined ? undefined : 'is a directory'
  }
}

/** @throws SkeinError invalid_argument */
function ttlOf({ ttlMs, ttlAction = 'FREE' }: CreateFileRequest): Pick<CreateFile, 'ttl'> {
  if (ttlMs === undefined) return {}
  if (ttlAction !== 'FREE' && ttlAction !== 'DELETE')
    throw new SkeinError('invalid_argument', `the action of a TTL must be FREE or DELETE, not '${ttlAction}'`)
  return { ttl: { ttlMs, action: ttlAction } }
}

/** Another version than the one to overwrite is there. */
function changedMeanwhile(thrown: unknown): never {
  if (!isSkeinError(thrown, 'aborted') || thrown.reason !== undefined) throw thrown
  throw new SkeinError('aborted', thrown.message, { reason: 'file_changed', retryable: false, cause: thrown })
}
