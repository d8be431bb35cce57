// Why: a reader opens a file before it reads it, and what is not known yet costs a look at the
// store and a sync of the journal: with a load at full speed beside it that takes longer than the
// read. How: a reader counts as demand (base/flow/demand-gauge.ts) from the moment it opens a file,
// and a little longer where it will have to read from the store.
import type { Clock } from '../../base/clock.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** From the answer until the reader's request has come to a worker. */
const onItsWayMs = 50

/** The service, telling the gauge who opens files. */
export function announceReaders(
  service: Service<MasterServiceDefinition>,
  demand: DemandGauge,
  clock: Pick<Clock, 'schedule'>,
): Service<MasterServiceDefinition> {
  return {
    ...service,
    openFile: async (request, options) => {
      const read = demand.announce()
      let isOnItsWay = false
      try {
        const opened = await service.openFile(request, options)
        // Of a file without a cached block, none is listed.
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
