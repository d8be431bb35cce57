// Why: data goes when its time has come. How: every interval the index of deadlines is read up to
// now; what a DELETE removes is removed at the store first; what failed stays in the index and is
// tried again at the next check, as does what somebody else has for long, such as a file that is
// just being persisted. All of it is in the state, so a restart in between changes nothing.
import { toSkeinError } from '../../base/errors.ts'
import { dueDeadlines } from '../../meta/apply/deadlines.ts'
import { effectiveTtl } from '../../meta/apply/namespace-ttl.ts'
import { placeOf } from '../../meta/resolve-path.ts'
import type { DirectoryInode, Inode, NamedInode, Tables } from '../../meta/meta-tables.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { tryEach } from '../store/object-changes.ts'
import { entriesPerPage, treePages } from '../paths/tree-pages.ts'
import type { TreeService } from './tree-changes.ts'

/** How long one check waits for somebody else's hold of a path. */
const busyPathMs = 2000

export class TtlChecker {
  readonly #context: MasterContext
  readonly #trees: TreeService

  constructor(context: MasterContext, trees: TreeService) {
    this.#context = context
    this.#trees = trees
  }

  /** Checks every interval until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, options } = this.#context
    while (!signal.aborted) {
      try {
        await clock.sleep(options.ttlCheckIntervalMs, signal)
        await this.check(signal)
      } catch (error) {
        if (!signal.aborted) logger.warn('a TTL check failed', { error: toSkeinError(error) })
      }
    }
  }

  /** Does everything that is due now. */
  async check(signal: AbortSignal): Promise<void> {
    const { tables, clock, log, logger } = this.#context
    const atMs = clock.nowMs()
    let after = ''
    for (;;) {
      const due = dueDeadlines(tables, atMs, entriesPerPage, after)
      const last = due.at(-1)
      if (last === undefined) return
      after = last.name
      const inodes = due.flatMap(({ inodeId }) => tables.inode(inodeId) ?? [])
      const { done, failed } = await tryEach(inodes, (inode) => this.#prepare(inode, atMs, signal))
      for (const { item, error } of failed)
        logger.warn('what a TTL ends could not be removed; it is tried again', { inodeId: item.id, error })
      // What a DELETE ends is gone, unless its TTL was changed only just now.
      const inodeIds = done.map(({ item }) => item.id).filter((id) => !isFileToDelete(tables, tables.inode(id)))
      if (inodeIds.length > 0) {
        const { changed } = await log.submit({ type: 'expire', atMs, inodeIds })
        if (changed > 0) logger.info('TTLs ended: freed from the cache, or given up unfinished', { files: changed })
      }
      // Gives way to the others, and to a stop.
      await clock.sleep(0, signal)
    }
  }

  /** What has to happen before the command: objects are removed, trees are emptied. */
  async #prepare(inode: Inode, atMs: number, signal: AbortSignal): Promise<void> {
    if (inode.kind === 'pending') return
    const { tables, clock } = this.#context
    const place = placeOf(tables, inode)
    if (place === undefined) return
    const isToDelete = (now: NamedInode): boolean =>
      now.kind === 'file' ? isFileToDelete(tables, now) : now.ttlAction === 'DELETE' && now.expiresMs >= 0
    if (isToDelete(inode)) {
      const isStillDue = (now: NamedInode): boolean => isToDelete(now) && now.expiresMs <= atMs
      if (await this.#trees.deleteInode(inode, isStillDue, { signal, untilMs: clock.monotonicMs() + busyPathMs }))
        this.#context.logger.info('a TTL ended: deleted, at the store too', {
          path: pathOf(place.record, place.key),
          inodeId: inode.id,
        })
    } else if (inode.kind === 'directory') {
      await this.#freeTree(inode, place.key, atMs, signal)
    }
  }

  async #freeTree(directory: DirectoryInode, key: string, atMs: number, signal: AbortSignal): Promise<void> {
    for await (const page of treePages(this.#context, directory.id, key, signal)) {
      const fileIds = page.flatMap(({ file }) => (file?.persisted === true && !file.pinned ? [file.id] : []))
      if (fileIds.length > 0) await this.#context.log.submit({ type: 'renew_files', atMs, fileIds })
    }
  }
}

/** A file that only the cache has, too: it may just be on its way to the store. */
function isFileToDelete(tables: Tables, inode: Inode | undefined): boolean {
  if (inode?.kind !== 'file' || inode.expiresMs < 0) return false
  const { ttlMs, action } = effectiveTtl(tables, inode)
  return action === 'DELETE' && ttlMs >= 0
}
