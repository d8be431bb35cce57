// Why: cases of tiers on real directories begin with the same store of a few blocks a tier. How:
// folders and stores are given up again by `closeAll`.
import { join } from 'node:path'
import { type TiersOptions, openTiers } from '../../../../src/block/assembly/open-tiers.ts'
import type { TieredStore } from '../../../../src/block/tier/tiered-store.ts'
import {
  bytesOf,
  headerOf,
  type StoreDependencies,
  storeDependencies,
  temporaryFolder,
} from '../../../conformance/support/block-store-fixture.ts'

export const cleanups: (() => Promise<void>)[] = []
/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
}

export interface Opened {
  readonly store: TieredStore
  readonly deps: StoreDependencies
  readonly paths: readonly string[]
  readonly put: (id: number, evict?: boolean) => Promise<void>
  readonly levels: (...ids: number[]) => (number | undefined)[]
  readonly reopen: () => Promise<Opened>
}

/** Blocks have 100 bytes; `rooms` says how many each tier takes. */
export async function opened(rooms: readonly number[], options: Partial<TiersOptions> = {}): Promise<Opened> {
  const folder = await temporaryFolder()
  cleanups.push(folder.remove)
  const paths = rooms.map((_, level) => join(folder.path, `tier-${level}`))
  const open = async (): Promise<Opened> => {
    const deps = storeDependencies()
    const tiers = rooms.map((room, level) => [
      { path: paths[level] ?? '', tier: `T${level}`, mediumType: 'SSD', quotaBytes: room * 100 },
    ])
    const store = await openTiers({ tiers, workerId: 'worker-1', annotator: { kind: 'LRU' }, ...deps, ...options })
    cleanups.push(() => store.close())
    return {
      store,
      deps,
      paths,
      put: (id, evict = false) => store.put(headerOf(id, 100), bytesOf(100, id), { evict }),
      levels: (...ids) => ids.map((id) => store.levelOf(id)),
      reopen: async () => {
        await store.close()
        return await open()
      },
    }
  }
  return await open()
}
