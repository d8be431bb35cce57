// Why: workers and job workers open stores with what the master says of a namespace, and must stop
// using that once the master says otherwise: `ns update` returns when nobody uses the old
// definition any more. How: a definition is held for a few seconds, and held on to by saying so to
// the master twice a second. What the master names as changed is retired at once: calls at its
// store are ended and made again by the new one (ufs/following-store.ts), and only then the next
// call says that it is not held any more. A role that cannot reach the master stops using what it
// held when its time is over.
import type { Clock, Random } from '../base/clock.ts'
import { isSkeinError, toSkeinError } from '../base/errors.ts'
import { retry, type RetryPolicy } from '../base/flow/retry.ts'
import { SingleFlight } from '../base/flow/single-flight.ts'
import type { Logger } from '../telemetry/logger.ts'
import { DefinedStore, type DefinitionSource, FollowingStore } from '../ufs/following-store.ts'
import type { UnderFileSystem } from '../ufs/under-file-system.ts'
import type { MasterServiceDefinition, NamespaceAccess } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'

export interface NamespaceDefinitionsOptions {
  /** Of this role, as long as the process runs. */
  readonly holderId: string
  readonly master: Pick<Service<MasterServiceDefinition>, 'getNamespaceAccess' | 'holdNamespaces'>
  readonly open: (access: NamespaceAccess) => Promise<UnderFileSystem>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

class Held extends DefinedStore {
  readonly access: NamespaceAccess
  /** Of the monotonic clock. */
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
/** What nobody has a store of is held on to for so long. */
const idleMs = 30_000
/** The clocks of two processes run a little differently, and what was begun must end. */
const spareMs = 500
/** How long calls wait for a master that does not answer: about two minutes. */
const masterPolicy: RetryPolicy = { attemptsMax: 60, initialMs: 100, maxMs: 5000 }

export class NamespaceDefinitions {
  readonly #options: NamespaceDefinitionsOptions
  readonly #held = new Map<string, Held>()
  readonly #users = new Map<string, number>()
  readonly #asking = new SingleFlight<string, Held>()
  /** Retired, with calls that still clean up behind them. */
  readonly #leaving = new Set<Held>()
  #wake = Promise.withResolvers<void>()
  /** The master may have answered, and takes them for held. */
  readonly #askedFor = new Set<string>()
  readonly #closing = new AbortController()
  #isRenewing = false

  constructor(options: NamespaceDefinitionsOptions) {
    this.#options = options
  }

  /**
   * The namespace's store, by whatever its definition is at each call. @throws SkeinError
   * not_found, and what opening it throws
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

  /** @throws SkeinError not_found, and what asking the master throws */
  async attributesOf(namespaceId: string): Promise<Readonly<Record<string, string>>> {
    return (this.#valid(namespaceId) ?? (await this.#ask(namespaceId))).access.attributes
  }

  /** Nothing is used by an older definition from now on. */
  require(namespaceId: string, version: number): void {
    const held = this.#held.get(namespaceId)
    if (held !== undefined && held.access.version < version) this.#retire(namespaceId, held)
  }

  /** Nothing is held afterwards. */
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

  /** Waits for a master that does not answer. */
  async #current(namespaceId: string, signal: AbortSignal): Promise<Held> {
    const { clock, random } = this.#options
    const either = AbortSignal.any([signal, this.#closing.signal])
    return await retry(async () => this.#valid(namespaceId) ?? (await this.#ask(namespaceId)), {
      ...{ policy: masterPolicy, clock, random, signal: either },
    })
  }

  async #ask(namespaceId: string): Promise<Held> {
    const { master, holderId, clock } = this.#options
    return await this.#asking.run(namespaceId, async () => {
      const askedMs = clock.monotonicMs()
      this.#askedFor.add(namespaceId)
      let access: NamespaceAccess
      try {
        // Not the caller's signal: others may wait for the same answer.
        access = await master.getNamespaceAccess({ namespaceId, holderId }, { signal: this.#closing.signal })
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
      .catch((error: unknown) => this.#options.logger.warn('a store did not close', { namespaceId, error }))
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
      // What is not held any more is told of at once: somebody may wait for that.
      for (let isTold = false; !signal.aborted && (this.#held.size > 0 || this.#leaving.size > 0 || !isTold);) {
        this.#wake = Promise.withResolvers()
        const left = this.#leaving.size
        const isChanged = await this.#renew()
        isTold = !isChanged && this.#held.size + left === 0
        if (!isChanged && !isTold && this.#leaving.size >= left) await this.#pause(signal)
      }
    } catch (thrown) {
      if (!signal.aborted) logger.warn('holding on to namespaces ended', { error: toSkeinError(thrown) })
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
   * Calls that are under way end with the time of what they go by. @returns whether something was
   * changed
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
      // The master does not answer: what is held runs out.
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
