// Why: what a host reads from another host it will likely read again; a copy near it makes that
// cheap (goosefs.user.file.passive.cache.enabled). How: best effort. After a block came from
// another host, the worker of this one is asked to fetch it too, where the file may have another
// replica. Nothing here, slow or wrong, is the reader's affair: bytes never wait for it. Only a
// process that ends right after its last byte gives what is under way a moment, or it would never
// be told.
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
  /** This host's name. */
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
   * A block of `file` was read from `source`; `replicas` has it. Does not wait. Beyond a few calls
   * under way it is passed over.
   */
  offer(file: FileInfo, blockId: number, source: WorkerInfo, replicas: readonly WorkerInfo[]): void {
    const { hostname } = this.#options
    const mayHaveMore = file.replicationMax < 0 || replicas.length < file.replicationMax
    // Of bytes that are nowhere else the master decides the copies.
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
   * Resolves when what was offered is told, or could not be, or after `graceMs`. For who is about
   * to close it.
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
      this.#options.logger.debug('a block was not copied to this host', {
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
