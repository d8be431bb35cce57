// Why: tiers pass the suite of every BlockStore as if they were one.
import { join } from 'node:path'
import { openTiers } from '../../src/block/assembly/open-tiers.ts'
import { blockStoreConformance } from './support/block-store.ts'
import { mebibyte, temporaryFolder } from './support/block-store-fixture.ts'

for (const levels of [1, 2, 3]) {
  for (const segments of [undefined, { blockBytesMax: mebibyte }]) {
    blockStoreConformance(`TieredStore of ${levels}${segments === undefined ? '' : ' with segments'}`, async () => {
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
    })
  }
}
