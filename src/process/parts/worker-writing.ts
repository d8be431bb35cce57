// Why: GooseFS's clients send blocks to a worker, and not to the data port. How: the writing of
// every client of the cluster, inside the worker's process: this worker is written without a
// socket, others by their data ports.
import type { PreparedUploads } from '../../cache-worker/uploads/prepared-uploads.ts'
import { BlockTargetPool } from '../../client/write/block-target-pool.ts'
import type { BlockTarget } from '../../client/write/block-target.ts'
import { BlockWrites } from '../../goosefs-rpc/worker/block-writes.ts'
import { ObjectWrites } from '../../goosefs-rpc/worker/object-writes.ts'
import { DataClient } from '../../wire/data/data-client.ts'
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import { connector } from '../links.ts'
import type { RoleContext } from '../role-shell.ts'

export interface OwnBlocks {
  readonly own: BlockTarget
  readonly has: (blockId: number) => boolean
  /** Objects on their way to a store. */
  readonly uploads: Pick<PreparedUploads, 'begin'>
}

/** Each may hold a few messages, and reserves a whole block. */
const streamsMax = 256

/** Closed when the role stops. */
export function workerWriting(
  context: RoleContext,
  lifecycle: Service<LifecycleServiceDefinition>,
  { own, has, uploads }: OwnBlocks,
): BlockWrites {
  const { config, clock, random, logger } = context
  const connect = connector(context)
  const data = new DataClient({ clock })
  const others = new BlockTargetPool({
    ...{ hostname: config.worker.hostname, data, clock, logger },
    connectWorker: (address) => connect(WorkerServiceDefinition, address),
  })
  context.onStop('blocks of clients for other workers', () => {
    others.close()
    data.close()
  })
  return new BlockWrites({
    ...{ lifecycle, own, others, has, streamsMax, clock, random, logger },
    writeObject: new ObjectWrites({ workerId: own.workerId, lifecycle, uploads }).write,
  })
}
