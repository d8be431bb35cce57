// Why: a directory of segments and files passes the suite of every BlockStore, alone and beside
// another one.
import { join } from 'node:path'
import { BlockDirectory } from '../../src/block/assembly/block-directory.ts'
import { openBlockStore } from '../../src/block/assembly/multi-directory-store.ts'
import { blockStoreConformance } from './support/block-store.ts'
import { mebibyte, temporaryFolder } from './support/block-store-fixture.ts'

const segments = { blockBytesMax: mebibyte, segmentBytes: 2 * mebibyte }

blockStoreConformance('BlockDirectory', async () => {
  const folder = await temporaryFolder()
  return {
    open: (quotaBytes, deps) =>
      BlockDirectory.open({
        path: folder.path,
        tier: 'SSD',
        mediumType: 'SSD',
        quotaBytes,
        workerId: 'worker-1',
        deps,
        segments,
      }),
    dispose: folder.remove,
  }
})

blockStoreConformance('MultiDirectoryStore with segments', async () => {
  const folder = await temporaryFolder()
  return {
    open: (quotaBytes, deps) => {
      const directories = ['a', 'b'].map((name, index) => ({
        path: join(folder.path, name),
        tier: 'SSD',
        mediumType: 'SSD',
        quotaBytes: index === 0 ? quotaBytes : Math.floor(quotaBytes / 2),
      }))
      return openBlockStore({ directories, workerId: 'worker-1', segments, ...deps })
    },
    dispose: folder.remove,
  }
})
