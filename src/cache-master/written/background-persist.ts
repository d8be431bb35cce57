// Why: with the write policy ASYNC_THROUGH a writer does not wait for the store, with CACHE_THROUGH
// and THROUGH it may end before its file is there, and the files must get there all the same. How:
// a complete file is put on a list in the state (meta/apply/written-files.ts), so that a restart
// forgets none; the list is gone through every moment, and what fails stays on it for the next
// time, at longer and longer intervals where it would fail again (state/persist-problems.ts); so
// does what somebody is moving or removing, for which nobody waits here, and what is in a namespace
// that has become read-only.
import { toSkeinError } from '../../base/errors.ts'
import { isHiddenKey } from '../../base/paths.ts'
import { namespaceById, placeOf } from '../../meta/resolve-path.ts'
import { type Edge, type FileInode, type NamespaceRecord, toPersistParentId } from '../../meta/meta-tables.ts'
import { SummaryLog } from '../../telemetry/summary-log.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type { MasterContext } from '../master-context.ts'
import { tryEach } from '../store/object-changes.ts'
import type { PersistService } from './persisting.ts'

const pauseMs = 1000
const failurePauseMs = 10_000
const filesAtOnce = 100

export class BackgroundPersist {
  readonly #context: MasterContext
  readonly #persisting: PersistService
  readonly #summary: SummaryLog<'files' | 'bytes'>
  /** Files that wait for their namespace to be writable again, by its id, as was logged. */
  #heldBack = new Map<string, number>()

  constructor(context: MasterContext, persisting: PersistService) {
    this.#context = context
    this.#summary = new SummaryLog({ ...context, message: 'files were written to the store in the background' })
    this.#persisting = persisting
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#context
    let waitMs = pauseMs
    while (!signal.aborted) {
      try {
        await clock.sleep(waitMs, signal)
        waitMs = (await this.#persistAll(signal)) ? pauseMs : failurePauseMs
        await this.#persisting.sweep(signal)
      } catch (error) {
        if (!signal.aborted)
          logger.warn('persisting in the background failed; retrying', { error: toSkeinError(error) })
      }
    }
  }

  /** @returns whether nothing failed that may succeed soon */
  async #persistAll(signal: AbortSignal): Promise<boolean> {
    const { logger, persistProblems } = this.#context
    let isWell = true
    let after = ''
    const heldBack = new Map<string, number>()
    for (let edges = this.#listed(after); edges.length > 0 && !signal.aborted; edges = this.#listed(after)) {
      after = edges.at(-1)?.name ?? ''
      const { failed } = await tryEach(edges, ({ inodeId }) => this.#persistOne(inodeId, heldBack, signal))
      for (const { item, error } of failed)
        logger.warn('a file could not be persisted yet', { fileId: item.inodeId, error })
      isWell &&= failed.every(({ item }) => persistProblems.of(item.inodeId) !== undefined)
    }
    this.#tellHeldBack(heldBack)
    return isWell
  }

  async #persistOne(fileId: number, heldBack: Map<string, number>, signal: AbortSignal): Promise<void> {
    const { log, clock, persistProblems } = this.#context
    const waiting = this.#waiting(fileId)
    if (waiting === undefined) {
      // Removed, or persisted by a call meanwhile: it only has to leave the list.
      persistProblems.forget(fileId)
      await log.submit({ type: 'persist_files', atMs: clock.nowMs(), files: [{ fileId, etag: '', modifiedMs: 0 }] })
    } else if (namespacePolicy(waiting.record.attributes).readOnly) {
      heldBack.set(waiting.record.id, (heldBack.get(waiting.record.id) ?? 0) + 1)
    } else if (!persistProblems.isWaiting(fileId)) {
      const { id, length } = waiting.file
      if ((await this.#persisting.persistUnlessBusy(id, signal)) && this.#waiting(id) === undefined)
        this.#summary.add({ files: 1, bytes: length })
    }
  }

  #waiting(fileId: number): { readonly record: NamespaceRecord; readonly file: FileInode } | undefined {
    const { tables } = this.#context
    const file = tables.inode(fileId)
    const place = file?.kind === 'file' && !file.persisted ? placeOf(tables, file) : undefined
    return file?.kind === 'file' && place !== undefined && !isHiddenKey(place.key)
      ? { record: place.record, file }
      : undefined
  }

  /** Once for each namespace and number of files. */
  #tellHeldBack(heldBack: Map<string, number>): void {
    const { tables, logger } = this.#context
    for (const [namespaceId, files] of heldBack) {
      if (this.#heldBack.get(namespaceId) === files) continue
      const namespace = namespaceById(tables, namespaceId)?.name
      logger.warn('files wait for the store: their namespace is read-only', { namespace, files })
    }
    this.#heldBack = heldBack
  }

  #listed(after: string): Edge[] {
    const edges: Edge[] = []
    for (const edge of this.#context.tables.edges(toPersistParentId, after)) {
      if (edge.name === after) continue
      edges.push(edge)
      if (edges.length >= filesAtOnce) break
    }
    return edges
  }
}
