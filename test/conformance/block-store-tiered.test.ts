// Why: tiers pass the suite of every BlockStore as if they were one, and that of stores that evict.
import { join } from 'node:path'
import { openTiers } from '../../src/block/assembly/open-tiers.ts'
import type { TieredStore } from '../../src/block/tier/tiered-store.ts'
import { blockEvictionConformance } from './support/block-eviction.ts'
import { blockStoreConformance, type BlockStoreStorage } from './support/block-store.ts'
import { mebibyte, temporaryFolder } from './support/block-store-fixture.ts'

for (const levels of [1, 2, 3]) {
  for (const segments of [undefined, { blockBytesMax: mebibyte }]) {
    const name = `TieredStore of ${levels}${segments === undefined ? '' : ' with segments'}`
    const make = async (): Promise<BlockStoreStorage<TieredStore>> => {
      const folder = await temporaryFolder()
      return {
        open: (quotaBytes, deps) => {
          const tiers = Array.from({ length: levels }, (_, level) => [
            {
              path: join(folder.path, `tier-${level}`),
              tier: `T${level}`,
              mediumType: 'SSD',
              quotaBytes: Math.floor(quotaBytes / 2 ** level),
            },
          ])
          return openTiers({ tiers, segments, workerId: 'worker-1', annotator: { kind: 'LRU' }, ...deps })
        },
        dispose: folder.remove,
      }
    }
    blockStoreConformance(name, make)
    blockEvictionConformance(name, make)
  }
}
