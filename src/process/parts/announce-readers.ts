// Why: a reader opens a file before it reads it. For an unknown file that costs a request to the
// store and a sync of the journal, which takes longer than the read itself while a load runs at
// full speed. How: a reader counts as demand (base/flow/demand-gauge.ts) from the moment it opens a
// file, and a little longer if it must read from the store.
import type { Clock } from '../../base/clock.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** Time from the answer until the reader's request arrives at a worker. */
const onItsWayMs = 50

/** Wraps the service. Tells the gauge about clients that open files. */
export function announceReaders(
  service: Service<MasterServiceDefinition>,
  demand: DemandGauge,
  clock: Pick<Clock, 'schedule'>,
): Service<MasterServiceDefinition> {
  return {
    ...service,
    openFile: async (request, options) => {
      // A look need not lead to a read.
      if (request.lookBlocksMax !== undefined) return service.openFile(request, options)
      const read = demand.announce()
      let isOnItsWay = false
      try {
        const opened = await service.openFile(request, options)
        // A file without cached blocks lists no blocks.
        const isCached = opened.blocks.length > 0 && opened.blocks.every(({ workerIds }) => workerIds.length > 0)
        isOnItsWay = !isCached && (opened.file?.length ?? 0) > 0
        return opened
      } finally {
        if (isOnItsWay) clock.schedule(onItsWayMs, () => read.end())
        else read.end()
      }
    },
  }
}
