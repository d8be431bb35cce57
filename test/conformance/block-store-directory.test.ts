// Why: DirectoryStore passes the suite of every BlockStore.
import { DirectoryStore } from '../../src/block/directory/directory-store.ts'
import { blockStoreConformance } from './support/block-store.ts'
import { temporaryFolder } from './support/block-store-fixture.ts'

blockStoreConformance('DirectoryStore', async () => {
  const folder = await temporaryFolder()
  return {
    open: (quotaBytes, deps) =>
      DirectoryStore.open({
        path: folder.path,
        tier: 'SSD',
        mediumType: 'SSD',
        quotaBytes,
        workerId: 'worker-1',
        deps,
      }),
    dispose: folder.remove,
  }
})
