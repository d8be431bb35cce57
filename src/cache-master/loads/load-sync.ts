// Why: what a load asks of the master: the listing with file ids and what is cached already, a
// second look at one object, the audit at the end, and the target that is kept with the files.
import { z } from 'zod'
import { isSameMetadata, storedMetadata } from '../../base/attributes/object-metadata.ts'
import { blockCount, blockIdOf } from '../../base/block-id.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { firstNameOf, placeWithin } from '../../base/paths.ts'
import { Turns } from '../../base/flow/turns.ts'
import { hiddenByNamespaces, namespaceById, type Place } from '../../meta/resolve-path.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { type ListPosition, unusableReason } from '../../ufs/under-file-system.ts'
import type {
  AuditedFile,
  AuditFilesRequest,
  AuditFilesResponse,
  RefreshFileRequest,
  RefreshFileResponse,
  ReportMetadataRequest,
  ReportMetadataResponse,
  SetReplicationRequest,
  SetReplicationResponse,
  SyncedFile,
  SyncPageRequest,
  SyncPageResponse,
} from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { locationsOf } from '../paths/file-info.ts'
import { directoryKey } from '../paths/file-look-up.ts'
import { type MasterContext, namespaceNamed, noRootMount, pathOf, placeAt } from '../master-context.ts'
import { notFound } from '../paths/path-locator.ts'
import { knownObject } from './known-object.ts'
import { parseStagingId, type Staging, type StagingService } from './load-staging.ts'
import { pageLimitMax } from '../store/listing-prefetch.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { type Look, type SyncedObject, type SyncedPage } from '../store/synced-page.ts'

/** Staged data whose load does not say how long it may wait. */
const stagedForMs = 24 * 3_600_000

/** Blocks that are looked at between two looks at the clock. */
const blocksPerLook = 256
/** Blocks that lack replicas, and replicas of these, that one answer names. */
const shortagesMax = 500_000

const cursorSchema = z.strictObject({
  key: z.string(),
  token: z.string().optional(),
  version: z.string().optional(),
})

export class SyncService {
  readonly #context: MasterContext
  readonly #sync: StoreSync
  readonly #staging: StagingService

  constructor(context: MasterContext, sync: StoreSync, staging: StagingService) {
    this.#context = context
    this.#sync = sync
    this.#staging = staging
  }

  /**
   * One page of a path's listing, made known. A path names one thing (tree-pages.ts): the object of
   * exactly this name where the store has one, else what is below the directory.
   * @throws SkeinError not_found when there is nothing at all, invalid_argument, and what the store
   *   says
   */
  async syncPage(request: SyncPageRequest, { signal }: CallOptions): Promise<SyncPageResponse> {
    const { record, key } = this.#placeOf(request)
    const limit = request.limit === 0 ? pageLimitMax : Math.min(request.limit, pageLimitMax)
    const after = request.cursor === '' ? undefined : parseCursor(request.cursor)
    const mayBeFile = after === undefined && key !== '' && !key.endsWith('/')
    const staging = this.#stagingOf(request.stagingId, request.stagingExpiresMs)
    const prefix = directoryKey(key)
    // Side by side, since most paths are directories; but what an atomic load lists is put aside,
    // and comes in later.
    const looking = mayBeFile ? this.#refreshOrProblem(record, key, staging, signal) : undefined
    const list = (): Promise<SyncedPage> =>
      staging === undefined
        ? this.#sync.page(record, prefix, after, limit, signal)
        : this.#staging.page(record, staging, prefix, after, limit, signal)
    const listing = staging === undefined ? list() : undefined
    // Awaited after the look, whose error may come first.
    listing?.catch(() => undefined)
    const file = await looking
    this.#context.workers.expire()
    if (file !== undefined)
      return {
        namespaceId: record.id,
        files: [this.#syncedFile(file)],
        nextCursor: '',
        removed: 0,
        ...this.#exactId(staging),
      }
    const page = await (listing ?? list()).catch((thrown: unknown) => {
      // What the store has there is one file, which cannot be one here.
      if (!mayBeFile || !isSkeinError(thrown, 'failed_precondition', unusableReason)) throw thrown
      return unusableObject(this.#sync.blockSizeBytes(record), key, thrown.message)
    })
    if ('object' in page)
      return {
        namespaceId: record.id,
        files: [this.#syncedFile(page)],
        nextCursor: '',
        removed: 0,
        ...this.#exactId(staging),
      }
    if (page.empty && after === undefined && key !== '') throw notFound({ record, key })
    const isHidden = hiddenByNamespaces(this.#context.tables, record.rootId)
    const shown = page.files.filter(({ object }) => isHidden?.(object.key) !== true)
    const files = shown.map((synced) => this.#syncedFile(synced))
    const nextCursor = page.next === undefined ? '' : formatCursor(page.next)
    return { namespaceId: record.id, files, nextCursor, removed: page.removed ?? 0, ...this.#exactId(staging) }
  }

  /** @throws SkeinError not_found when the object (or its namespace) is gone */
  async refreshFile(request: RefreshFileRequest, { signal }: CallOptions): Promise<RefreshFileResponse> {
    const record = this.#namespaceOf(request.namespaceId)
    this.#checkShown(record, request.key)
    const staging = this.#stagingOf(request.stagingId, undefined)
    const file = await this.#refresh(record, request.key, staging, signal)
    if (file === undefined) throw new SkeinError('not_found', `${pathOf(record, request.key)} does not exist`)
    return { file: this.#syncedFile(file), ...this.#exactId(staging) }
  }

  /**
   * In slices of time: files may have a million blocks each. Of what is missing no more is told
   * than an answer can carry.
   */
  async auditFiles(request: AuditFilesRequest, { signal }: CallOptions): Promise<AuditFilesResponse> {
    this.#context.workers.expire()
    const budget = { replication: Math.max(1, request.replication), shortagesLeft: shortagesMax }
    const turns = new Turns(this.#context.clock)
    const files: AuditedFile[] = []
    for (const fileId of request.fileIds) {
      const audited = await this.#auditFile(fileId, budget, turns, signal)
      if (audited !== undefined) files.push(audited)
    }
    return { files }
  }

  /**
   * Keeps the target with the files. Files that have it already, or are gone, are passed over.
   * @throws SkeinError invalid_argument
   */
  async setReplication({ fileIds, min, max, keepMax = false }: SetReplicationRequest): Promise<SetReplicationResponse> {
    if (min < 0 || max < -1 || (max >= 0 && min > max)) {
      throw new SkeinError(
        'invalid_argument',
        `replication min ${min} and max ${max} do not fit: 0 <= min <= max, or max -1 for no limit`,
      )
    }
    const { tables, log, clock } = this.#context
    let changed = 0
    const others = new Map<number, number[]>()
    for (const id of fileIds) {
      const inode = tables.inode(id)
      if (inode?.kind !== 'file') continue
      const itsMax = keepMax && inode.replicationMax >= min ? inode.replicationMax : max
      if (inode.replicationMin === min && inode.replicationMax === itsMax) continue
      const isUnset = inode.replicationMin === 0 && inode.replicationMax === -1
      // One replica is what is kept of a file that asks for none: most files of most loads, and
      // nothing to write down.
      if (min === 1 && itsMax === -1 && isUnset) continue
      if (!isUnset) changed += 1
      const same = others.get(itsMax) ?? []
      others.set(itsMax, same)
      same.push(id)
    }
    for (const [itsMax, ids] of others)
      await log.submit({ type: 'set_replication', atMs: clock.nowMs(), fileIds: ids, min, max: itsMax })
    return { changed }
  }

  /** What differs from what is known is journaled as one command. */
  async reportMetadata({ files }: ReportMetadataRequest): Promise<ReportMetadataResponse> {
    const { tables, log, clock } = this.#context
    const news = files.flatMap(({ fileId, contentType, userMetadata }) => {
      const inode = tables.inode(fileId)
      const metadata = storedMetadata({ contentType, userMetadata: userMetadata?.values })
      const isNews = inode?.kind === 'file' && inode.persisted && !isSameMetadata(inode, metadata)
      return isNews ? [{ fileId, ...metadata }] : []
    })
    if (news.length === 0) return { changed: 0 }
    const { changed } = await log.submit({ type: 'set_metadata', atMs: clock.nowMs(), files: news })
    return { changed }
  }

  async #auditFile(
    fileId: number,
    budget: { readonly replication: number; shortagesLeft: number },
    turns: Turns,
    signal: AbortSignal,
  ): Promise<AuditedFile | undefined> {
    const file = this.#context.tables.inode(fileId)
    if (file?.kind !== 'file') return { fileId, gone: true, shortages: [] }
    const { replication } = budget
    // More than its maximum is not kept, whoever has asked for it before the maximum was set.
    const wanted = file.replicationMax < 0 ? replication : Math.min(replication, file.replicationMax)
    const shortages: AuditedFile['shortages'] = []
    for (let index = 0; index < blockCount(file.length, file.blockSizeBytes); index += 1) {
      if (index % blocksPerLook === 0 && turns.isOver) await turns.pause(signal)
      const workerIds = this.#context.workers.workerIds(blockIdOf(fileId, index))
      if (workerIds.length >= wanted) continue
      // At least one of each file: it is not whole, and asked for again once these are there.
      if (budget.shortagesLeft <= 0 && shortages.length > 0) break
      shortages.push({ blockIndex: index, workerIds })
      budget.shortagesLeft -= 1 + workerIds.length
    }
    return shortages.length === 0 ? undefined : { fileId, gone: false, shortages }
  }

  /** As #refresh; what the store has and cannot give is that one file's failure. */
  async #refreshOrProblem(
    record: NamespaceRecord,
    key: string,
    staging: Staging | undefined,
    signal: AbortSignal,
  ): Promise<SyncedObject | undefined> {
    try {
      return await this.#refresh(record, key, staging, signal)
    } catch (thrown) {
      if (!isSkeinError(thrown, 'failed_precondition', unusableReason)) throw thrown
      return unusableObject(this.#sync.blockSizeBytes(record), key, thrown.message)
    }
  }

  async #refresh(
    record: NamespaceRecord,
    key: string,
    staging: Staging | undefined,
    signal: AbortSignal,
  ): Promise<SyncedObject | undefined> {
    if (staging !== undefined) return this.#staging.refresh(record, staging, key, signal)
    const look: Look = {}
    const file = await this.#sync.refresh(record, key, signal, look)
    if (file === undefined) return undefined
    const { object, ...rest } = knownObject(key, file)
    return {
      ...rest,
      object: { ...object, ...(look.crc64 !== undefined && { crc64: look.crc64 }) },
      change: look.change,
    }
  }

  #stagingOf(stagingId: string | undefined, expiresMs: number | undefined): Staging | undefined {
    if (stagingId === undefined || stagingId === '') return undefined
    const { tables, clock } = this.#context
    const exact = parseStagingId(stagingId)
    const known = tables.staging(exact.id)
    const keptMs = known?.committed === true ? undefined : known?.expiresMs
    return { ...exact, expiresMs: expiresMs ?? keptMs ?? clock.nowMs() + stagedForMs }
  }

  #exactId(staging: Staging | undefined): { readonly stagingId?: string } {
    const stagingId = staging === undefined ? undefined : this.#staging.exactId(staging.id)
    return stagingId === undefined ? {} : { stagingId }
  }

  /** Where a load looks: in the namespace that it began in, whatever has come and gone since. */
  #placeOf({ path, inRoot }: SyncPageRequest): Place {
    if (inRoot === undefined) return placeAt(this.#context, path, noRootMount)
    const name = inRoot ? '' : firstNameOf(path)
    const { key } = placeWithin(name, path)
    const record = namespaceNamed(this.#context, name)
    this.#checkShown(record, key)
    return { record, key }
  }

  /** @throws SkeinError failed_precondition when a namespace hides the key */
  #checkShown(record: NamespaceRecord, key: string): void {
    if (hiddenByNamespaces(this.#context.tables, record.rootId)?.(key) !== true) return
    const name = key.split('/', 1)[0] ?? ''
    throw new SkeinError(
      'failed_precondition',
      `${pathOf(record, key)} is not in the root mount but in the namespace /${name}: load it apart`,
    )
  }

  #namespaceOf(namespaceId: string): NamespaceRecord {
    const record = namespaceById(this.#context.tables, namespaceId)
    if (record === undefined)
      throw new SkeinError('not_found', 'the namespace does not exist any more', { reason: 'namespace_gone' })
    return record
  }

  /** What was set on a file; nothing where that is what files have anyway. */
  #setOn(fileId: number): { readonly replicationMin?: number; readonly replicationMax?: number } {
    const file = this.#context.tables.inode(fileId)
    if (file?.kind !== 'file' || (file.replicationMin === 0 && file.replicationMax === -1)) return {}
    return { replicationMin: file.replicationMin, replicationMax: file.replicationMax }
  }

  #syncedFile({ fileId, object, blockSizeBytes, problem, change }: SyncedObject): SyncedFile {
    const { key, length, etag, modifiedMs, crc64 = '' } = object
    const set = this.#setOn(fileId)
    const blocks = fileId === 0 ? [] : locationsOf(this.#context, fileId, length, blockSizeBytes)
    const known = { ...(modifiedMs !== undefined && { modifiedMs }), ...(crc64 !== '' && { crc64 }) }
    return {
      fileId,
      key,
      length,
      etag,
      blockSizeBytes,
      blocks,
      problem,
      ...set,
      ...known,
      ...(change !== undefined && { change }),
    }
  }
}

function unusableObject(blockSizeBytes: number, key: string, problem: string): SyncedObject {
  return { fileId: 0, object: { key, length: 0, etag: '', storageClass: '' }, blockSizeBytes, problem }
}

function formatCursor(position: ListPosition): string {
  return JSON.stringify({ key: position.key, token: position.token, version: position.version })
}

function parseCursor(text: string): ListPosition {
  try {
    const { key, token, version } = cursorSchema.parse(JSON.parse(text))
    return { key, token, version }
  } catch (error) {
    throw new SkeinError('invalid_argument', 'the cursor is not one of this master', { cause: error })
  }
}
