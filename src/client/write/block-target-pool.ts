// Why: all tasks share one target per worker, so that their small blocks travel together. How:
// targets are kept by worker id. A worker that returns with another address gets a new target.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ServiceClient } from '../../wire/rpc/channel.ts'
import type { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { BlockTarget } from './block-target.ts'
import { type BlockWriteClient, HttpBlockTarget } from './http-block-target.ts'
import type { PutLimits } from './put-coalescer.ts'
import type { DirectoriesOf } from '../worker-directories.ts'
import { ShortCircuitBlockTarget } from './short-circuit-block-target.ts'

export interface WorkerAddress {
  readonly workerId: string
  /** Equal names mean the same host. */
  readonly hostname: string
  readonly rpcAddress: string
  readonly dataAddress: string
}

export interface BlockTargetPoolOptions {
  /** Name of this host (goosefs.worker.hostname). */
  readonly hostname: string
  readonly data: BlockWriteClient
  readonly connectWorker: (rpcAddress: string) => ServiceClient<WorkerServiceDefinition>
  /**
   * Directories for block files of workers on this host. Undefined: blocks are written over HTTP.
   */
  readonly directoriesOf?: DirectoriesOf
  /** A worker in the same process, as in `skein local`. */
  readonly local?: (workerId: string) => BlockTarget | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly putLimits?: PutLimits
}

interface PooledTarget {
  readonly address: string
  readonly target: BlockTarget
  close(): void
}

export class BlockTargetPool {
  readonly #options: BlockTargetPoolOptions
  readonly #targets = new Map<string, PooledTarget>()

  constructor(options: BlockTargetPoolOptions) {
    this.#options = options
  }

  /**
   * Returns the target of a worker: the same object while its addresses do not change. Opens no
   * connection.
   */
  targetFor(worker: WorkerAddress): BlockTarget {
    const local = this.#options.local?.(worker.workerId)
    if (local !== undefined) return local
    const address = `${worker.hostname} ${worker.rpcAddress} ${worker.dataAddress}`
    const known = this.#targets.get(worker.workerId)
    if (known?.address === address) return known.target
    known?.close()
    const pooled = this.#create(worker, address)
    this.#targets.set(worker.workerId, pooled)
    return pooled.target
  }

  /** Closes the connections. Blocks that are being written fail. */
  close(): void {
    for (const pooled of this.#targets.values()) pooled.close()
    this.#targets.clear()
  }

  #create(worker: WorkerAddress, address: string): PooledTarget {
    const { hostname, data, connectWorker, directoriesOf, clock, logger, putLimits } = this.#options
    const http = new HttpBlockTarget(worker.workerId, worker.dataAddress, data, putLimits)
    if (worker.hostname !== hostname || directoriesOf === undefined)
      return { address, target: http, close: () => undefined }
    const connection = connectWorker(worker.rpcAddress)
    const target = new ShortCircuitBlockTarget({
      ...{ workerId: worker.workerId, worker: connection.service, http, directoriesOf, clock, logger },
    })
    return {
      address,
      target,
      close: () => {
        target.close()
        connection.close()
      },
    }
  }
}
