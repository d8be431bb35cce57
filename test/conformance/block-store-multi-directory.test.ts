// Why: several directories pass the suite of every BlockStore as if they were one.
import { join } from 'node:path'
import { openBlockStore } from '../../src/block/assembly/multi-directory-store.ts'
import { blockStoreConformance } from './support/block-store.ts'
import { temporaryFolder } from './support/block-store-fixture.ts'

blockStoreConformance('MultiDirectoryStore', async () => {
  const folder = await temporaryFolder()
  return {
    open: (quotaBytes, deps) => {
      const directories = ['a', 'b'].map((name, index) => ({
        path: join(folder.path, name),
        tier: 'SSD',
        mediumType: 'SSD',
        quotaBytes: index === 0 ? quotaBytes : Math.floor(quotaBytes / 2),
      }))
      return openBlockStore({ directories, workerId: 'worker-1', ...deps })
    },
    dispose: folder.remove,
  }
})
