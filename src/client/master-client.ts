// Why: clients know only the address of the master. The job master is found through the master, and
// may move. How: `connect` (wire/rpc/channel.ts) creates the connections. If a call to the job
// master finds no server, the client asks the master again, and repeats the call once if the
// address has changed. All calls are idempotent.
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { isSkeinError, SkeinError } from '../base/errors.ts'
import type { ServiceClient } from '../wire/rpc/channel.ts'
import { JobServiceDefinition } from '../wire/generated/job.ts'
import { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { CallOptions, Service, ServiceDefinition } from '../wire/service.ts'

/** Creates a client for a service. No call is made yet. */
export type Connect = <D extends ServiceDefinition>(definition: D, address: string) => ServiceClient<D>

/** The master at `host:port`. */
export function connectMaster(address: string, connect: Connect): ServiceClient<MasterServiceDefinition> {
  return connect(MasterServiceDefinition, address)
}

/**
 * How long a call waits for a job master to register. After a start of the master that takes about
 * a second.
 */
export interface Patience {
  readonly clock: Clock
  readonly waitMs: number
}

const askAgainMs = 200

/**
 * Client for the job master that is registered with the master. `masterAddress` is used in
 * messages. Besides its own errors, every method throws SkeinError unavailable when no job master
 * is registered (within `patience`, if given).
 */
export function connectJobMaster(
  master: Pick<Service<MasterServiceDefinition>, 'getJobMaster'>,
  masterAddress: string,
  connect: Connect,
  patience?: Patience,
): ServiceClient<JobServiceDefinition> {
  return connectAtJobMaster(JobServiceDefinition, master, masterAddress, connect, patience)
}

/** Client for any service of the job master. */
export function connectAtJobMaster<D extends ServiceDefinition>(
  definition: D,
  master: Pick<Service<MasterServiceDefinition>, 'getJobMaster'>,
  masterAddress: string,
  connect: Connect,
  patience?: Patience,
): ServiceClient<D> {
  const link = new JobMasterConnection(definition, master, masterAddress, connect, patience)
  const service = Object.fromEntries(
    Object.keys(definition.methods).map((method) => [
      method,
      (request: never, options: CallOptions) => link.call(method, request, options),
    ]),
  )
  return { service: service as unknown as Service<D>, close: () => link.close() }
}

type AnyCall = (request: never, options: CallOptions) => Promise<unknown>

class JobMasterConnection<D extends ServiceDefinition> {
  readonly #definition: D
  readonly #master: Pick<Service<MasterServiceDefinition>, 'getJobMaster'>
  readonly #masterAddress: string
  readonly #connect: Connect
  readonly #patience: Patience | undefined
  #current: { readonly address: string; readonly connection: ServiceClient<D> } | undefined
  #closed = false

  constructor(
    definition: D,
    master: Pick<Service<MasterServiceDefinition>, 'getJobMaster'>,
    masterAddress: string,
    connect: Connect,
    patience?: Patience,
  ) {
    this.#definition = definition
    this.#master = master
    this.#masterAddress = masterAddress
    this.#connect = connect
    this.#patience = patience
  }

  async call(method: keyof D['methods'], request: never, options: CallOptions): Promise<unknown> {
    const known = this.#current?.address
    const first = this.#current?.connection ?? (await this.#connectNow(options))
    try {
      return await (first.service[method] as AnyCall)(request, options)
    } catch (thrown) {
      // `cancelled` without our signal: another call found a new address and closed this
      // connection.
      const lost = isSkeinError(thrown, 'unavailable') || isSkeinError(thrown, 'cancelled')
      if (known === undefined || !lost || options.signal.aborted) throw thrown
      const second = await this.#connectNow(options).catch(() => undefined)
      // The address is the same, so the job master is down. The caller decides whether to wait.
      if (second === undefined || second === first) throw thrown
      return await (second.service[method] as AnyCall)(request, options)
    }
  }

  /** Returns '' when no job master is registered. */
  async #findAddress(options: CallOptions): Promise<string> {
    const { clock, waitMs } = this.#patience ?? {}
    const giveUpMs = (clock?.monotonicMs() ?? 0) + (waitMs ?? 0)
    for (;;) {
      const { rpcAddress } = await this.#master.getJobMaster({}, options)
      if (rpcAddress !== '' || clock === undefined || clock.monotonicMs() >= giveUpMs) return rpcAddress
      await clock.sleep(askAgainMs, options.signal)
    }
  }

  close(): void {
    this.#closed = true
    this.#current?.connection.close()
    this.#current = undefined
  }

  async #connectNow(options: CallOptions): Promise<ServiceClient<D>> {
    const address = await this.#findAddress(options)
    if (address === '') {
      throw new SkeinError('unavailable', `no job master is registered with the master at ${this.#masterAddress}`, {
        reason: 'no_job_master',
      })
    }
    assert(!this.#closed, 'a closed connection to the job master must not be used')
    if (this.#current?.address !== address) {
      this.#current?.connection.close()
      this.#current = { address, connection: this.#connect(this.#definition, address) }
    }
    return this.#current.connection
  }
}
