// Why: `ns update` and `ns delete` must not return while a worker or job worker still goes by the
// old definition. How: whoever gets a definition holds it for a few seconds, and says twice a
// second what it holds; what it no longer names it has stopped using. One that is silent holds
// nothing once its time is over. In memory only: what was held at the last stop of the master may
// be held for a while after the next start.
import type { Clock } from '../../base/clock.ts'
import { namespaceById } from '../../meta/resolve-path.ts'
import type { Tables } from '../../meta/meta-tables.ts'
import type { HeldNamespace, HoldNamespacesRequest, HoldNamespacesResponse } from '../../wire/generated/master.ts'

/**
 * How long a definition may be used without a word from the master: a master that restarts must not
 * stop loads and readers.
 */
export const definitionLeaseMs = 10_000
const lookMs = 10

export class DefinitionHolders {
  readonly #tables: Tables
  readonly #clock: Clock
  readonly #leaseMs: number
  readonly #startedMs: number
  /** Namespaces there were at the start: others may hold them. */
  readonly #before: ReadonlySet<string>
  /** By namespace and holder: which versions, and how long each may be held. */
  readonly #held = new Map<string, Map<string, Map<number, number>>>()

  constructor(tables: Tables, clock: Clock, leaseMs = definitionLeaseMs) {
    this.#tables = tables
    this.#clock = clock
    this.#leaseMs = leaseMs
    this.#startedMs = clock.monotonicMs()
    this.#before = new Set([...tables.namespaces()].map(({ id }) => id))
  }

  /** Before the definition is given out. @returns how long it may be used */
  grant(namespaceId: string, holderId: string, version: number): number {
    const holders = this.#held.get(namespaceId) ?? new Map<string, Map<number, number>>()
    const versions = holders.get(holderId) ?? new Map<number, number>()
    versions.set(version, this.#clock.monotonicMs() + this.#leaseMs)
    holders.set(holderId, versions)
    this.#held.set(namespaceId, holders)
    return this.#leaseMs
  }

  /**
   * What a role holds now, or is still leaving; with version 0: what it has asked for, and may have
   * been given.
   */
  hold({ holderId, namespaces }: HoldNamespacesRequest): HoldNamespacesResponse {
    const named = new Map<string, Set<number>>()
    for (const { namespaceId, version } of namespaces)
      named.set(namespaceId, (named.get(namespaceId) ?? new Set()).add(version))
    for (const [namespaceId, holders] of this.#held) this.#keep(namespaceId, holders, holderId, named.get(namespaceId))
    const changed: HeldNamespace[] = []
    for (const [namespaceId, versions] of named) {
      const now = namespaceById(this.#tables, namespaceId)?.version ?? 0
      if (now !== 0 && versions.has(now)) this.grant(namespaceId, holderId, now)
      else if ([...versions].some((version) => version !== 0)) changed.push({ namespaceId, version: now })
    }
    return { changed, leaseMs: this.#leaseMs }
  }

  /**
   * Waits until nobody goes by a definition before this version: for as long as one may be held at
   * most. @throws the signal's reason
   */
  async untilAllHave(namespaceId: string, version: number, signal: AbortSignal): Promise<void> {
    while (this.#mayBeHeld(namespaceId, version)) await this.#clock.sleep(lookMs, signal)
  }

  #keep(
    namespaceId: string,
    holders: Map<string, Map<number, number>>,
    holderId: string,
    named: ReadonlySet<number> | undefined,
  ): void {
    if (named?.has(0) === true) return
    const versions = holders.get(holderId)
    for (const version of [...(versions?.keys() ?? [])]) if (named?.has(version) !== true) versions?.delete(version)
    if (versions?.size === 0) holders.delete(holderId)
    if (holders.size === 0) this.#held.delete(namespaceId)
  }

  #mayBeHeld(namespaceId: string, version: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (this.#before.has(namespaceId) && nowMs - this.#startedMs < this.#leaseMs) return true
    for (const versions of this.#held.get(namespaceId)?.values() ?? [])
      for (const [held, untilMs] of versions) if (held < version && untilMs > nowMs) return true
    return false
  }
}
