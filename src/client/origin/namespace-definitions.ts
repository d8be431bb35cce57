// Why: whoever reads from a store opens it with the namespace definition of the master, and must
// stop using a definition when it changes: `ns update` returns when no role uses the old definition
// any more. How: a role holds a definition for a few seconds, and renews it with a call to the
// master twice a second. A definition that the master reports as changed is retired at once: calls
// to its store are aborted and repeated with the new definition (ufs/following-store.ts). Only then
// does the next call report that it is no longer held. A role that cannot reach the master stops
// using its definitions when they expire.
import type { Clock, Random } from '../../base/clock.ts'
import { isSkeinError, toSkeinError } from '../../base/errors.ts'
import { retry, type RetryPolicy } from '../../base/flow/retry.ts'
import { SingleFlight } from '../../base/flow/single-flight.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { DefinedStore, type DefinitionSource, FollowingStore } from '../../ufs/following-store.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import type { MasterServiceDefinition, NamespaceAccess } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

export interface NamespaceDefinitionsOptions {
  /** Id of this process as a holder of definitions. */
  readonly holderId: string
  readonly master: Pick<Service<MasterServiceDefinition>, 'getNamespaceAccess' | 'holdNamespaces'>
  readonly open: (access: NamespaceAccess) => Promise<UnderFileSystem>
  /** Ask for the definitions alone. Default: with the secrets, which are for roles. */
  readonly withoutSecrets?: boolean
  /** While the master does not answer. Default: about two minutes. */
  readonly masterPolicy?: RetryPolicy
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

class Held extends DefinedStore {
  readonly access: NamespaceAccess
  /** Expiry, by the monotonic clock. */
  untilMs: number
  usedMs: number

  constructor(store: UnderFileSystem, access: NamespaceAccess, untilMs: number, usedMs: number) {
    super(store)
    this.access = access
    this.untilMs = untilMs
    this.usedMs = usedMs
  }
}

const renewMs = 500
const renewDeadlineMs = 2000
/** How long definitions without an open store are renewed. */
const idleMs = 30_000
/** Safety margin for clock drift between processes, and for calls that are ending. */
const spareMs = 500
/** Retries for about two minutes when the master does not answer. */
const patientPolicy: RetryPolicy = { attemptsMax: 60, initialMs: 100, maxMs: 5000 }

export class NamespaceDefinitions {
  readonly #options: NamespaceDefinitionsOptions
  readonly #held = new Map<string, Held>()
  readonly #users = new Map<string, number>()
  readonly #asking = new SingleFlight<string, Held>()
  /** Retired definitions whose calls are still cleaning up. */
  readonly #leaving = new Set<Held>()
  #wake = Promise.withResolvers<void>()
  /** Requested, without an answer yet. The master may already count these as held. */
  readonly #askedFor = new Set<string>()
  readonly #closing = new AbortController()
  #isRenewing = false

  constructor(options: NamespaceDefinitionsOptions) {
    this.#options = options
  }

  /**
   * Returns a store for the namespace that always uses the current definition.
   * @throws SkeinError not_found, and what opening the store throws
   */
  async openStore(namespaceId: string): Promise<UnderFileSystem> {
    await this.#ask(namespaceId)
    this.#users.set(namespaceId, this.#usersOf(namespaceId) + 1)
    let isOpen = true
    const valid = (): Held | undefined => this.#valid(namespaceId)
    const source: DefinitionSource = {
      get known() {
        return valid()
      },
      current: (caller) => this.#current(namespaceId, caller),
      close: async () => {
        if (isOpen) this.#users.set(namespaceId, this.#usersOf(namespaceId) - 1)
        isOpen = false
      },
    }
    return new FollowingStore(source)
  }

  /** @throws SkeinError not_found, and the errors of the call to the master */
  async attributesOf(namespaceId: string): Promise<Readonly<Record<string, string>>> {
    return (this.#valid(namespaceId) ?? (await this.#ask(namespaceId))).access.attributes
  }

  /** From now on, older definitions are not used. */
  require(namespaceId: string, version: number): void {
    const held = this.#held.get(namespaceId)
    if (held !== undefined && held.access.version < version) this.#retire(namespaceId, held)
  }

  /** Afterwards no definition is held. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const [namespaceId, held] of this.#held) this.#retire(namespaceId, held)
    const { master, holderId } = this.#options
    const call = { signal: new AbortController().signal, deadlineMs: renewMs }
    await master.holdNamespaces({ holderId, namespaces: [] }, call).catch(() => undefined)
  }

  #usersOf(namespaceId: string): number {
    return this.#users.get(namespaceId) ?? 0
  }

  #valid(namespaceId: string): Held | undefined {
    const held = this.#held.get(namespaceId)
    if (held === undefined) return undefined
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs < held.untilMs) {
      held.usedMs = nowMs
      return held
    }
    this.#retire(namespaceId, held)
    return undefined
  }

  /** Retries while the master does not answer. */
  async #current(namespaceId: string, signal: AbortSignal): Promise<Held> {
    const { clock, random, masterPolicy: policy = patientPolicy } = this.#options
    const either = AbortSignal.any([signal, this.#closing.signal])
    return await retry(async () => this.#valid(namespaceId) ?? (await this.#ask(namespaceId)), {
      ...{ policy, clock, random, signal: either },
    })
  }

  async #ask(namespaceId: string): Promise<Held> {
    const { master, holderId, clock, withoutSecrets = false } = this.#options
    return await this.#asking.run(namespaceId, async () => {
      const askedMs = clock.monotonicMs()
      this.#askedFor.add(namespaceId)
      let access: NamespaceAccess
      try {
        // Does not use the caller's signal, because other callers may wait for the same answer.
        access = await master.getNamespaceAccess(
          { namespaceId, holderId, ...(withoutSecrets && { withoutSecrets }) },
          { signal: this.#closing.signal },
        )
      } catch (thrown) {
        const known = this.#held.get(namespaceId)
        if (known !== undefined && isSkeinError(thrown, 'not_found')) this.#retire(namespaceId, known)
        throw thrown
      } finally {
        this.#askedFor.delete(namespaceId)
      }
      return await this.#take(namespaceId, access, askedMs)
    })
  }

  async #take(namespaceId: string, access: NamespaceAccess, askedMs: number): Promise<Held> {
    const { leaseMs = 0 } = access
    const untilMs = leaseMs === 0 ? Number.POSITIVE_INFINITY : askedMs + leaseMs - spareMs
    const known = this.#held.get(namespaceId)
    if (known !== undefined && known.access.version >= access.version) {
      if (known.access.version === access.version) known.untilMs = Math.max(known.untilMs, untilMs)
      return known
    }
    if (known !== undefined) this.#retire(namespaceId, known)
    const held = new Held(await this.#options.open(access), access, untilMs, askedMs)
    this.#held.set(namespaceId, held)
    if (leaseMs > 0) void this.#renewAll()
    return held
  }

  #retire(namespaceId: string, held: Held): void {
    if (held.retired.aborted) return
    if (this.#held.get(namespaceId) === held) this.#held.delete(namespaceId)
    if (this.#usersOf(namespaceId) <= 0) this.#users.delete(namespaceId)
    this.#leaving.add(held)
    held
      .retire()
      .catch((error: unknown) => this.#options.logger.warn('a store could not be closed', { namespaceId, error }))
      .finally(() => {
        this.#leaving.delete(held)
        this.#wake.resolve()
      })
  }

  async #renewAll(): Promise<void> {
    if (this.#isRenewing) return
    this.#isRenewing = true
    const { logger } = this.#options
    const { signal } = this.#closing
    try {
      // Report released definitions at once: the master may wait for them.
      for (let isTold = false; !signal.aborted && (this.#held.size > 0 || this.#leaving.size > 0 || !isTold);) {
        this.#wake = Promise.withResolvers()
        const left = this.#leaving.size
        const isChanged = await this.#renew()
        isTold = !isChanged && this.#held.size + left === 0
        if (!isChanged && !isTold && this.#leaving.size >= left) await this.#pause(signal)
      }
    } catch (thrown) {
      if (!signal.aborted) logger.warn('renewing namespace definitions failed', { error: toSkeinError(thrown) })
    } finally {
      this.#isRenewing = false
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    void this.#wake.promise.then(() => woken.abort())
    await this.#options.clock.sleep(renewMs, AbortSignal.any([signal, woken.signal])).catch(() => undefined)
  }

  /**
   * Calls in progress end when their definition expires.
   * @returns whether anything changed
   */
  async #renew(): Promise<boolean> {
    const { master, holderId, clock } = this.#options
    this.#dropIdle()
    const askedMs = clock.monotonicMs()
    const asked = new Map(this.#held)
    const namespaces = [...asked].map(([namespaceId, { access }]) => ({ namespaceId, version: access.version }))
    for (const { access } of this.#leaving)
      namespaces.push({ namespaceId: access.namespaceId, version: access.version })
    for (const namespaceId of this.#askedFor) namespaces.push({ namespaceId, version: 0 })
    let changed = 0
    try {
      const call = { signal: this.#closing.signal, deadlineMs: renewDeadlineMs }
      const answer = await master.holdNamespaces({ holderId, namespaces }, call)
      const others = new Set(answer.changed.map(({ namespaceId }) => namespaceId))
      for (const [namespaceId, held] of asked) {
        if (!others.has(namespaceId)) held.untilMs = Math.max(held.untilMs, askedMs + answer.leaseMs - spareMs)
        else if (this.#held.get(namespaceId) === held) {
          changed += 1
          this.#retire(namespaceId, held)
        }
      }
    } catch {
      // The master does not answer: the held definitions expire.
    }
    for (const [namespaceId, held] of asked) if (clock.monotonicMs() >= held.untilMs) this.#retire(namespaceId, held)
    return changed > 0
  }

  #dropIdle(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [namespaceId, held] of this.#held)
      if (this.#usersOf(namespaceId) <= 0 && nowMs - held.usedMs > idleMs) this.#retire(namespaceId, held)
  }
}
