// Why: with the write policy ASYNC_THROUGH a writer does not wait for the store, and its files must get there all the same.
// How: a complete file is put on a list in the state (meta/written-files.ts), so that a restart forgets none; the list is
// gone through every moment, and what fails stays on it for the next time.
import { toSkeinError } from '../base/errors.ts'
import { placeOf } from '../meta/resolve.ts'
import { type Edge, toPersistParentId } from '../meta/tables.ts'
import type { MasterContext } from './master-context.ts'
import { tryEach } from './object-changes.ts'
import type { PersistService } from './persist-service.ts'

const pauseMs = 1000
const failurePauseMs = 10_000
const filesAtOnce = 100

export class BackgroundPersist {
  readonly #context: MasterContext
  readonly #persisting: PersistService

  constructor(context: MasterContext, persisting: PersistService) {
    this.#context = context
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
      } catch (error) {
        if (!signal.aborted) logger.warn('persisting in the background stopped; it goes on in a moment', { error: toSkeinError(error) })
      }
    }
  }

  /** @returns whether nothing failed */
  async #persistAll(signal: AbortSignal): Promise<boolean> {
    const { logger } = this.#context
    let isWell = true
    let after = ''
    for (let edges = this.#listed(after); edges.length > 0 && !signal.aborted; edges = this.#listed(after)) {
      after = edges.at(-1)?.name ?? ''
      const { failed } = await tryEach(edges, ({ inodeId }) => this.#persistOne(inodeId, signal))
      for (const { item, error } of failed) logger.warn('a file could not be persisted yet', { fileId: item.inodeId, error })
      isWell &&= failed.length === 0
    }
    return isWell
  }

  async #persistOne(fileId: number, signal: AbortSignal): Promise<void> {
    const { tables, log, clock } = this.#context
    const file = tables.inode(fileId)
    const place = file?.kind === 'file' ? placeOf(tables, file) : undefined
    if (file?.kind === 'file' && place !== undefined && !file.persisted)
      await this.#persisting.persistFile(place.record, place.key, file, signal)
    // Removed, or persisted by a call meanwhile: it only has to leave the list.
    else await log.submit({ type: 'persist_files', atMs: clock.nowMs(), files: [{ fileId, etag: '', modifiedMs: 0 }] })
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
