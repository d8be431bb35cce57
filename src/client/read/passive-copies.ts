// Why: blocks that a host reads from another host are likely to be read again. A replica on this
// host makes that cheap (goosefs.user.file.passive.cache.enabled). How: best effort. After a block
// was read from another host, a worker on this host is asked to copy it, if the file may have
// another replica. Readers never wait for this and never see its errors. Only a process that exits
// right after its last byte waits briefly, because its request would not be sent otherwise.
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ServiceClient } from '../../wire/rpc/channel.ts'
import type { FileInfo, MasterServiceDefinition, WorkerInfo } from '../../wire/generated/master.ts'
import type { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'

const callDeadlineMs = 2000
const callsMax = 8
const workerAgeMs = 10_000

export interface PassiveCopiesOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'listWorkers'>
  readonly connectWorker: (rpcAddress: string) => Pick<ServiceClient<WorkerServiceDefinition>, 'close'> & {
    readonly service: Pick<Service<WorkerServiceDefinition>, 'copyHere'>
  }
  /** Name of this host. */
  readonly hostname: string
  readonly clock: Clock
  readonly logger: Logger
}

interface OwnWorker {
  readonly address: string
  readonly connection: ReturnType<PassiveCopiesOptions['connectWorker']>
}

export class PassiveCopies {
  readonly #options: PassiveCopiesOptions
  readonly #calls = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  #found: Promise<OwnWorker | undefined> = Promise.resolve(undefined)
  #findAgainMs = Number.NEGATIVE_INFINITY
  #own: OwnWorker | undefined

  constructor(options: PassiveCopiesOptions) {
    this.#options = options
  }

  /**
   * Call after a block of `file` was read from `source`; `replicas` have the block. Does not wait.
   * Ignored while too many calls are in flight.
   */
  offer(file: FileInfo, blockId: number, source: WorkerInfo, replicas: readonly WorkerInfo[]): void {
    const { hostname } = this.#options
    const mayHaveMore = file.replicationMax < 0 || replicas.length < file.replicationMax
    // For bytes that exist nowhere else, only the master decides about replicas.
    if (!mayHaveMore || file.persistenceState !== 'PERSISTED') return
    if (
      replicas.some((replica) => replica.hostname === hostname) ||
      this.#calls.size >= callsMax ||
      this.#closing.signal.aborted
    )
      return
    const call: Promise<void> = this.#ask(blockId, source.dataAddress).finally(() => this.#calls.delete(call))
    this.#calls.add(call)
  }

  /**
   * Resolves when all pending requests are sent or have failed, or after `graceMs`. Call it before
   * closing.
   */
  async settle(graceMs: number): Promise<void> {
    if (this.#calls.size === 0) return
    const waited = Promise.withResolvers<void>()
    const cancel = this.#options.clock.schedule(graceMs, waited.resolve)
    await Promise.race([Promise.all(this.#calls), waited.promise])
    cancel()
  }

  close(): void {
    this.#closing.abort()
    this.#own?.connection.close()
  }

  async #ask(blockId: number, dataAddress: string): Promise<void> {
    try {
      const own = await this.#ownWorker()
      const options = { signal: this.#closing.signal, deadlineMs: callDeadlineMs }
      await own?.connection.service.copyHere({ blocks: [{ blockId, dataAddress }] }, options)
    } catch (thrown) {
      this.#options.logger.debug('cannot request a replica on this host', {
        blockId,
        error: toSkeinError(thrown).message,
      })
    }
  }

  #ownWorker(): Promise<OwnWorker | undefined> {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs >= this.#findAgainMs) {
      this.#findAgainMs = nowMs + workerAgeMs
      this.#found = this.#find()
    }
    return this.#found
  }

  async #find(): Promise<OwnWorker | undefined> {
    const { master, hostname, connectWorker } = this.#options
    const { workers } = await master.listWorkers({}, { signal: this.#closing.signal, deadlineMs: callDeadlineMs })
    const near = workers.find(
      (worker) => worker.live && worker.hostname === hostname && worker.decommissioning !== true,
    )
    if (near === undefined) return undefined
    if (this.#own?.address !== near.rpcAddress) {
      this.#own?.connection.close()
      this.#own = { address: near.rpcAddress, connection: connectWorker(near.rpcAddress) }
    }
    return this.#own
  }
}
