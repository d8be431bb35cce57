// Why: `free` drops what is cached of a file, and whatever is done next must find nothing of it.
// How: the file gets a new id, in the journal. Blocks of the old id are nobody's from then on: on
// workers that have not heard of it yet, on workers that are away, in copies and fills that are
// under way, and after a restart of the master. So no order to delete can ever meet a block that
// was loaded after the file was freed, for that one has another id.
import { blockLength, blockCount, blockIdOf } from '../../base/block-id.ts'
import { SkeinError } from '../../base/errors.ts'
import type { FileInode } from '../../meta/meta-tables.ts'
import type { FreeRequest, FreeResponse } from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { type MasterContext, pathOf, placesOf } from '../master-context.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { filesOf, type Target, targetAt } from '../paths/tree-pages.ts'

/** Files that a FreeResponse names. */
const freedPathsMax = 1000

export class FreeService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #mayHoldMore: () => boolean

  /** @param mayHoldMore whether workers may hold blocks that they have not reported yet */
  constructor(context: MasterContext, locator: PathLocator, mayHoldMore: () => boolean) {
    this.#context = context
    this.#locator = locator
    this.#mayHoldMore = mayHoldMore
  }

  /**
   * Drops what is cached of a file, or of all files below a directory, or nothing at all.
   * @throws SkeinError failed_precondition when a file is not persisted, or is pinned and `force`
   *   is not set
   */
  async free({ path, force }: FreeRequest, { signal }: CallOptions): Promise<FreeResponse> {
    const targets = await this.#targets(path, signal)
    for (const target of targets) {
      for await (const page of filesOf(this.#context, target, signal))
        for (const { key, file } of page) checkFreeable(file, () => pathOf(target.record, key), force)
    }
    const answer: FreeResponse = { paths: [], freedBytes: 0 }
    for (const target of targets) {
      for await (const page of filesOf(this.#context, target, signal)) {
        // What was written, or pinned, since it was looked at stays.
        const files = page.filter(({ file }) => file.persisted && (force || !file.pinned))
        const held = files.filter(({ file }) => this.#mayHoldMore() || this.#context.blocks.hasFile(file.id))
        const named = files.filter(({ file }) => target.file !== undefined || this.#context.blocks.hasFile(file.id))
        for (const { file } of held) answer.freedBytes += this.#bytesOf(file)
        answer.paths.push(
          ...named.slice(0, freedPathsMax - answer.paths.length).map(({ key }) => pathOf(target.record, key)),
        )
        if (held.length === 0) continue
        const { log, clock } = this.#context
        const fileIds = held.map(({ file }) => file.id)
        await log.submit({ type: 'renew_files', atMs: clock.nowMs(), fileIds, ...(force && { pinned: true }) })
      }
    }
    return answer
  }

  async #targets(path: string, signal: AbortSignal): Promise<Target[]> {
    const targets: Target[] = []
    for (const place of placesOf(this.#context, path)) targets.push(await targetAt(this.#locator, place, signal))
    return targets
  }

  /** Of all its replicas. */
  #bytesOf({ id, length, blockSizeBytes }: FileInode): number {
    let bytes = 0
    for (let index = 0; index < blockCount(length, blockSizeBytes); index += 1)
      bytes += this.#context.blocks.locations(blockIdOf(id, index)).length * blockLength(length, blockSizeBytes, index)
    return bytes
  }
}

function checkFreeable(file: FileInode, path: () => string, force: boolean): void {
  if (!file.persisted)
    throw new SkeinError(
      'failed_precondition',
      `${path()} is not persisted: the cache has the only copy. Run 'fs persist' first`,
    )
  if (file.pinned && !force)
    throw new SkeinError('failed_precondition', `${path()} is pinned: unpin it, or free it with -f`)
}
