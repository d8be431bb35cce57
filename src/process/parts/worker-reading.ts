// Why: GooseFS's clients expect that any worker has any block. How: the reading of every client of
// the cluster (client/connect-reading.ts), inside the worker's process: what this worker has, and
// what it reads from a store, takes no socket.
import { connectReading, type Reading } from '../../client/connect-reading.ts'
import type { CacheWorker } from '../../cache-worker/cache-worker.ts'
import type { DataClient } from '../../wire/data/data-client.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { ServiceClient } from '../../wire/rpc/channel.ts'
import type { Service } from '../../wire/service.ts'
import { connector } from '../links.ts'
import type { RoleContext } from '../role-shell.ts'

export interface OwnWorker {
  readonly worker: Pick<CacheWorker, 'localBlocks' | 'dataHandlers'>
  /** Its data port; undefined until it listens. */
  readonly dataAddress: () => string | undefined
}

/** Reads files of the cluster from inside a worker. Closed when the role stops. */
export function workerReading(
  context: RoleContext,
  master: Service<MasterServiceDefinition>,
  { worker, dataAddress }: OwnWorker,
): Reading {
  const { config, logger, metrics } = context
  const connect = connector(context)
  const workers = new Map<string, ServiceClient<WorkerServiceDefinition>>()
  const workerAt = (at: string): Service<WorkerServiceDefinition> => {
    const client = workers.get(at) ?? connect(WorkerServiceDefinition, at)
    workers.set(at, client)
    return client.service
  }
  const stores: Pick<DataClient, 'readStore'> = {
    readStore: async function* readStore(_address, request, signal) {
      const { chunks } = await worker.dataHandlers.readStore(request, signal)
      yield* chunks
    },
  }
  const reading = connectReading(config, {
    ...{ master, connectWorker: (at) => connect(WorkerServiceDefinition, at), workerAt },
    ...{ logger, storeSecrets: 'cluster', metrics },
    here: {
      channelTo: (address) => context.channels.get(address),
      blocksAt: (address) => (address === dataAddress() ? worker.localBlocks : undefined),
      storeAt: (address) => (address === dataAddress() ? stores : undefined),
      targetOf: () => undefined,
    },
  })
  context.onStop('reading of clients', async () => {
    await reading.settle()
    reading.close()
    for (const client of workers.values()) client.close()
  })
  return reading
}
