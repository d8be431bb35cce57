// Why: a file whose bytes a worker has sent to the store already is complete when its object is
// there, and not before: its writer asked for the store. How: while the file's key is held, as for
// every write to the store, the worker makes the object be there; then the file is complete and
// persisted in one command. What cannot be completed after all is taken back.
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { nameTaken, replacedEtag } from '../../meta/apply/written-files.ts'
import type { CompleteFile } from '../../meta/commands/lifecycle-commands.ts'
import type { NamespaceRecord, PendingInode } from '../../meta/meta-tables.ts'
import { fileAt, namespaceById } from '../../meta/resolve-path.ts'
import type { WorkerInfo } from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { currentNamespace, type MasterContext } from '../master-context.ts'
import type { PathHolds, Patience } from '../paths/path-holds.ts'
import { checkWritable } from '../store/object-changes.ts'
import { pendingFile } from './begun-files.ts'
import type { CutOffWrites } from './cut-off-writes.ts'
import { isCutOff, whileItLives } from './living-worker.ts'
import type { NotedUpload } from './noted-uploads.ts'
import type { PersistOn, PersistService } from './persisting.ts'

const finishMs = 120_000
const abandonMs = 30_000
/** How long a worker that lives may take to register, and between two looks. */
const registeringMs = 30_000
const registeringLookMs = 100

type Stored = NonNullable<CompleteFile['stored']>

export interface UploadedFilesParts {
  readonly holds: PathHolds
  readonly persisting: Pick<PersistService, 'settle'>
  readonly writes: Pick<CutOffWrites, 'begin' | 'end' | 'cutOff' | 'arrived'>
  readonly persistOn: PersistOn | undefined
}

export class UploadedFiles {
  readonly #context: MasterContext
  readonly #parts: UploadedFilesParts

  constructor(context: MasterContext, parts: UploadedFilesParts) {
    this.#context = context
    this.#parts = parts
  }

  /**
   * @param submit completes the file
   * @throws SkeinError already_exists, aborted (`object_changed`, `definition_changed`),
   *   failed_precondition (`upload_lost`), unavailable when the worker is lost, deadline_exceeded
   *   (`path_busy`), what the store says, and the errors of `submit`
   */
  async complete(
    { id: fileId, namespaceId, key }: PendingInode,
    upload: NotedUpload,
    submit: (stored: Stored) => Promise<unknown>,
    options: CallOptions,
  ): Promise<void> {
    const { holds, persisting } = this.#parts
    const record = namespaceById(this.#context.tables, namespaceId)
    if (record === undefined) throw new SkeinError('not_found', 'the namespace was deleted meanwhile')
    const patience = holds.patienceOf(options)
    const hold = await holds.take(record, [key], 'written to the store', patience)
    try {
      await persisting.settle(record, key, patience)
      // Another call may have completed it, or given it up, while this one waited.
      if (this.#context.tables.inode(fileId)?.kind !== 'file')
        await this.#complete(currentNamespace(this.#context, record), fileId, upload, submit, patience)
    } finally {
      hold.release()
    }
  }

  /** What was sent is given up. Never throws: the worker does so by itself in time. */
  async abandon(fileId: number, { workerId }: NotedUpload): Promise<void> {
    const { persistOn } = this.#parts
    const [worker] = this.#context.workers.infos([workerId])
    if (worker === undefined || persistOn === undefined) return
    try {
      await persistOn(worker.rpcAddress).abandonUpload(
        { fileId },
        { signal: new AbortController().signal, deadlineMs: abandonMs },
      )
    } catch (thrown) {
      this.#context.logger.debug('an upload is given up later', { fileId, error: toSkeinError(thrown).message })
    }
  }

  /** The caller holds the key. */
  async #complete(
    record: NamespaceRecord,
    fileId: number,
    upload: NotedUpload,
    submit: (stored: Stored) => Promise<unknown>,
    { signal }: Patience,
  ): Promise<void> {
    const { tables, changes } = this.#context
    const { writes } = this.#parts
    const pending = pendingFile(tables, fileId)
    const { key } = pending
    checkWritable(record, 'nothing is written there')
    const refused = nameTaken(tables, record.rootId, pending)?.outcome.refused
    if (refused !== undefined) throw new SkeinError(refused.code, refused.message)
    const { etag, modifiedMs } = await this.#finish(record, pending, upload, signal)
    writes.arrived(record, key)
    // Until it is journaled nobody changes the definition.
    const turn = await changes.turn(record, key, signal)
    try {
      if (namespaceById(tables, record.id)?.version !== record.version)
        throw new SkeinError('aborted', "the namespace's definition changed meanwhile: write the file again", {
          ...{ reason: 'definition_changed', retryable: false },
        })
      await submit({ etag, modifiedMs })
    } catch (thrown) {
      if (!signal.aborted) await this.#takeBack(record, key, etag, signal)
      throw thrown
    } finally {
      turn.release()
    }
  }

  async #finish(
    record: NamespaceRecord,
    pending: PendingInode,
    upload: NotedUpload,
    signal: AbortSignal,
  ): Promise<Stored> {
    const { tables } = this.#context
    const { writes, persistOn } = this.#parts
    const { id: fileId, key } = pending
    const { workerId, length } = upload
    const worker = await this.#worker(workerId, signal)
    if (worker?.live !== true || persistOn === undefined)
      throw new SkeinError('unavailable', `the worker that sent ${key} to the store is lost: write the file again`)
    const replaces = replacedEtag(pending, fileAt(tables, record.rootId, key))
    const request = {
      ...{ fileId, namespaceId: record.id, key, length, overwrite: replaces !== '' },
      ...(replaces !== '' && { replacedEtag: replaces }),
      namespaceVersion: record.version,
    }
    await writes.begin(record, key, fileId)
    try {
      return await whileItLives(this.#context, workerId, signal, (living) =>
        persistOn(worker.rpcAddress).finishUpload(request, { signal: living, deadlineMs: finishMs }),
      )
    } catch (thrown) {
      if (isCutOff(toSkeinError(thrown), signal)) writes.cutOff(record, key)
      else await writes.end({ namespaceId: record.id, key })
      throw thrown
    }
  }

  /**
   * After a start of the master a worker may note what it has sent before it registers: it is about
   * to.
   */
  async #worker(workerId: string, signal: AbortSignal): Promise<WorkerInfo | undefined> {
    const { workers, clock } = this.#context
    const untilMs = clock.monotonicMs() + registeringMs
    for (;;) {
      workers.expire()
      const [worker] = workers.infos([workerId])
      if (worker !== undefined || clock.monotonicMs() >= untilMs) return worker
      await clock.sleep(registeringLookMs, signal)
    }
  }

  /** What is at the store in this version was made for a file that is not going to be there. */
  async #takeBack(record: NamespaceRecord, key: string, etag: string, signal: AbortSignal): Promise<void> {
    const { tables, stores, logger } = this.#context
    await this.#parts.writes.end({ namespaceId: record.id, key })
    const there = fileAt(tables, record.rootId, key)
    if (there?.persisted === true && there.etag === etag) return
    try {
      const store = await stores.get(record)
      await store.delete(key, signal, etag)
    } catch (error) {
      if (isSkeinError(error, 'aborted', 'object_changed')) return
      logger.warn('the object of a file that was not completed was not deleted', { key, error: toSkeinError(error) })
    }
  }
}
