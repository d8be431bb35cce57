// Why: an atomic load needs the listing made known without anybody seeing it, and swapped in at the
// end. How: a page is compared with what is visible, and only the difference is put aside
// (meta/apply/staging.ts); stagings that nobody finished are cleared away when their time is over.
// A plan needs the same listing and no more: under an id that is no path nothing is kept.
import { fileIdOf } from '../../base/block-id.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { fileAt, namespaceById } from '../../meta/resolve-path.ts'
import { stagingExpiredMessage } from '../../meta/apply/staging.ts'
import type { StageListing } from '../../meta/commands/staging-commands.ts'
import { isMarker, objectProblem, type PageDiff } from '../../meta/apply/listing-diff.ts'
import { isSameVersion } from '../../meta/apply/tree.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { ListPosition } from '../../ufs/under-file-system.ts'
import type { StagingResponse } from '../../wire/generated/master.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { LookedAt } from '../store/store-inquiries.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { syncedObject, type SyncedObject, type SyncedPage } from '../store/synced-page.ts'
import { knownObject } from './known-object.ts'
import { isNews } from '../store/sync-tally.ts'

/** Files that one command clears away. */
const droppedPerCommand = 2000
const sweepMs = 1000

export interface Staging {
  readonly id: string
  /** Exactly this one. */
  readonly number?: number
  readonly expiresMs: number
}

/** `/path`, or `<number>:/path`; anything else is an id that is no path. */
export function parseStagingId(text: string): Pick<Staging, 'id' | 'number'> {
  const match = /^(\d{1,16}):(\/.*)$/s.exec(text)
  return match === null ? { id: text } : { id: match[2] ?? '', number: Number(match[1]) }
}

export class StagingService {
  readonly #context: Pick<MasterContext, 'tables' | 'log' | 'clock' | 'logger'>
  readonly #sync: Pick<StoreSync, 'compare' | 'lookAt' | 'blockSizeBytes'>
  /** New files that plans were told of. */
  #looked = 0

  constructor(
    context: Pick<MasterContext, 'tables' | 'log' | 'clock' | 'logger'>,
    sync: Pick<StoreSync, 'compare' | 'lookAt' | 'blockSizeBytes'>,
  ) {
    this.#context = context
    this.#sync = sync
  }

  /**
   * As StoreSync.page; what is new, changed or gone is put aside. @throws SkeinError unavailable
   * while an older staging is cleared away
   */
  async page(
    record: NamespaceRecord,
    staging: Staging,
    prefix: string,
    after: ListPosition | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<SyncedPage> {
    return this.#sync.compare(record, prefix, after, limit, signal, ({ diff, next, empty }) =>
      this.#stage(record, staging, prefix, after, { diff, next, empty }),
    )
  }

  /**
   * Looks at one object again. @returns undefined when the store has none @throws SkeinError
   * failed_precondition when it cannot be a file
   */
  async refresh(
    record: NamespaceRecord,
    staging: Staging,
    key: string,
    signal: AbortSignal,
  ): Promise<SyncedObject | undefined> {
    // What only the cache has is at no store yet, whatever is there under its name.
    const own = fileAt(this.#context.tables, record.rootId, key)
    if (own?.persisted === false) return knownObject(key, own)
    const use = async ({ object, known: visible }: LookedAt): Promise<SyncedObject | undefined> => {
      const alone = { afterKey: undefined, upToKey: undefined, onlyKey: key }
      if (object === undefined || isMarker(object)) {
        // What only the cache has is at no store yet: that it is not there says nothing.
        const removals = visible?.persisted === true ? [{ key, fileId: visible.id }] : []
        await this.#submit(record, staging, { ...alone, upserts: [], removals })
        return undefined
      }
      const blockSizeBytes = this.#sync.blockSizeBytes(record)
      if (visible !== undefined && isSameVersion(visible, object)) {
        await this.#submit(record, staging, { ...alone, upserts: [], removals: [] })
        return { fileId: visible.id, object, blockSizeBytes: visible.blockSizeBytes, problem: '' }
      }
      const problem = objectProblem(object, blockSizeBytes)
      if (problem !== '')
        throw new SkeinError('failed_precondition', `${pathOf(record, key)} cannot be cached: ${problem}`)
      const [fileId = 0] = await this.#submit(record, staging, { ...alone, upserts: [object], removals: [] })
      return { fileId, object, blockSizeBytes, problem: '' }
    }
    return await this.#sync.lookAt(record, key, signal, use, true)
  }

  /** `<number>:/path` of what is staged there; undefined when nothing is. */
  exactId(id: string): string | undefined {
    const staging = this.#context.tables.staging(id)
    return staging === undefined || staging.committed === true ? undefined : `${staging.addedId}:${id}`
  }

  /** @throws SkeinError failed_precondition (`staging_expired`) when the staging was given up */
  async commit(request: string): Promise<StagingResponse> {
    const { tables, log, clock, logger } = this.#context
    const { id: stagingId, number } = parseStagingId(request)
    const staging = tables.staging(stagingId)
    if (number !== undefined && staging?.addedId !== number) throw stagingExpired()
    if (staging === undefined || staging.committed === true) return { changed: 0 }
    const exactly = number === undefined ? {} : { number }
    const { changed } = await log.submit({ type: 'commit_staging', atMs: clock.nowMs(), stagingId, ...exactly })
    logger.info('a staged load was swapped in', { stagingId, changed })
    return { changed }
  }

  async drop(request: string): Promise<StagingResponse> {
    const { tables, log, clock } = this.#context
    const { id: stagingId, number } = parseStagingId(request)
    let changed = 0
    for (
      let row = tables.staging(stagingId);
      row !== undefined && row.addedId === (number ?? row.addedId);
      row = tables.staging(stagingId)
    ) {
      changed += (await log.submit({ type: 'drop_staging', atMs: clock.nowMs(), stagingId, limit: droppedPerCommand }))
        .changed
    }
    return { changed }
  }

  /** Clears away what nobody finished, until the signal aborts. Does not throw. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#context
    while (!signal.aborted) {
      try {
        await clock.sleep(sweepMs, signal)
        await this.sweep()
      } catch (thrown) {
        if (!signal.aborted)
          logger.warn('staged data was not deleted; retrying', { error: toSkeinError(thrown).message })
      }
    }
  }

  async sweep(): Promise<void> {
    const { tables, clock, logger } = this.#context
    for (const { id, expiresMs, dropping, committed, namespaceId } of [...tables.stagings()]) {
      if (!dropping && expiresMs > clock.nowMs() && namespaceById(tables, namespaceId) !== undefined) continue
      await this.drop(id)
      if (committed !== true) logger.info('a staged load that nobody finished was cleared away', { stagingId: id })
    }
  }

  async #stage(
    record: NamespaceRecord,
    staging: Staging,
    prefix: string,
    after: ListPosition | undefined,
    {
      diff,
      next,
      empty,
    }: { readonly diff: PageDiff; readonly next: ListPosition | undefined; readonly empty: boolean },
  ): Promise<SyncedPage> {
    const { tables } = this.#context
    const news = diff.files.filter(isNews)
    const removals = diff.removals.flatMap((key) => {
      const fileId = fileAt(tables, record.rootId, key)?.id
      return fileId === undefined ? [] : [{ key, fileId }]
    })
    // Below a path that may be a file, too, that file is not the page's.
    const range = {
      afterKey: after?.key ?? (prefix === '' ? undefined : prefix),
      upToKey: next?.key,
      isFirst: after === undefined,
    }
    const fileIds = await this.#submit(record, staging, {
      ...range,
      upserts: news.map(({ object }) => object),
      removals,
    })
    const idOf = new Map(news.map(({ object }, i) => [object.key, fileIds[i] ?? 0] as const))
    const blockSizeBytes = this.#sync.blockSizeBytes(record)
    const files = diff.files.map((file) => syncedObject(file, idOf.get(file.object.key), blockSizeBytes))
    return { files, empty, next, removed: removals.length }
  }

  /** @returns the ids of the upserts; nothing is journaled when there is nothing to say */
  async #submit(
    record: NamespaceRecord,
    staging: Staging,
    {
      isFirst = false,
      ...change
    }: Pick<StageListing, 'afterKey' | 'upToKey' | 'onlyKey' | 'upserts' | 'removals'> & { isFirst?: boolean },
  ): Promise<readonly number[]> {
    const { tables, log, clock } = this.#context
    // The ids of no files; each another one, since placement goes by them.
    if (!staging.id.startsWith('/'))
      return change.upserts.map(() => fileIdOf(tables.counter('containers') + (this.#looked += 1)))
    const before = tables.staging(staging.id)
    if (
      staging.number !== undefined &&
      (before?.addedId !== staging.number || before.dropping || before.committed === true)
    )
      throw stagingExpired()
    const isNothing = change.upserts.length === 0 && change.removals.length === 0
    // The first page begins a staging, even if it has nothing to say: the load shall be able to
    // tell that it is gone.
    if (isNothing && !isFirst && (before === undefined || before.committed === true)) return []
    const { fileIds } = await log.submit({
      type: 'stage_listing',
      atMs: clock.nowMs(),
      stagingId: staging.id,
      ...(staging.number !== undefined && { number: staging.number }),
      namespaceId: record.id,
      blockSizeBytes: this.#sync.blockSizeBytes(record),
      expiresMs: staging.expiresMs,
      ...change,
    })
    return fileIds
  }
}

function stagingExpired(): SkeinError {
  return new SkeinError('failed_precondition', stagingExpiredMessage, { reason: 'staging_expired' })
}
