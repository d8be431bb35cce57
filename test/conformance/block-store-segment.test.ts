// Why: SegmentStore passes the suite of every BlockStore, with large blocks too, and with segments
// so small that each test fills several.
import { BlockLedger } from '../../src/block/segment/block-ledger.ts'
import { prepareDirectory } from '../../src/block/disk/directory-layout.ts'
import { SegmentStore } from '../../src/block/segment/segment-store.ts'
import { blockStoreConformance, type BlockStoreStorage } from './support/block-store.ts'
import { temporaryFolder } from './support/block-store-fixture.ts'

for (const segmentBytes of [64 * 1024, undefined]) {
  const make = async (): Promise<BlockStoreStorage> => {
    const folder = await temporaryFolder()
    return {
      open: async (quotaBytes, deps) => {
        const { layout } = await prepareDirectory(folder.path, 'worker-1')
        const ledger = new BlockLedger(quotaBytes)
        return SegmentStore.open({
          path: folder.path,
          tier: 'SSD',
          mediumType: 'SSD',
          quotaBytes,
          layout,
          ledger,
          deps,
          segmentBytes,
        })
      },
      dispose: folder.remove,
    }
  }
  // Durable blocks are not given to it: see block-directory.ts.
  blockStoreConformance(`SegmentStore of segments of ${segmentBytes ?? 'the usual'} bytes`, make, { durable: false })
}
