// Why: the bandwidth limits of loads, namespaces and the cluster apply to all job workers together.
// The job master knows which job worker runs what, so it distributes them. How: the answer to each
// heartbeat contains the job worker's share of each limited load (load/plan/share.ts), and the
// stores that all job workers must leave alone for a moment (load/plan/origin-back-off.ts). Reads
// are measured from the progress of running tasks. All of it is in memory: a restarted job master
// starts from zero.
import { bandwidthAt, type Bandwidth, parseBandwidth, unlimitedBandwidth } from '../../base/flow/bandwidth.ts'
import type { Clock, Random } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import { readBytesMax } from '../../load/plan/completion-check.ts'
import { prioritiesOf } from '../../load/schedule/deadline-priority.ts'
import { formatLoadId, type LoadRecord, namespaceOfLoad } from '../../load/load.ts'
import { type BackOff, backOff } from '../../load/plan/origin-back-off.ts'
import { partOf, shareRates, type SharingLoad, weightsOf } from '../../load/plan/share.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Pacing, Pressures } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { OutSet, Outstanding } from './outstanding.ts'
import { RateMeter } from './rate-meter.ts'

export const priorityDefault = 10

export interface LoadPacingDependencies {
  readonly tables: Tables
  readonly outstanding: Outstanding
  readonly master: Pick<Service<MasterServiceDefinition>, 'getNamespace'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Limit of the cluster. */
  readonly bandwidth: Bandwidth
}

interface Shares {
  readonly loads: readonly SharingLoad[]
  readonly rates: ReadonlyMap<number, number | undefined>
}

/** Minimum time between two calculations of the shares. */
const sharesMs = 100
const attribute = 'bandwidth'

export class LoadPacing {
  readonly #deps: LoadPacingDependencies
  /** Limits of loads by their text, and of namespaces by id. */
  readonly #ofText = new Map<string, Bandwidth>()
  readonly #ofNamespace = new Map<string, Bandwidth>()
  readonly #backOffs = new Map<string, BackOff>()
  readonly #meters = new Map<string, RateMeter>()
  readonly #counted = new WeakMap<OutSet, number>()
  #shares: Shares | undefined
  #sharesMadeMs = Number.NEGATIVE_INFINITY

  constructor(deps: LoadPacingDependencies) {
    this.#deps = deps
  }

  /**
   * Reads the limits of the namespaces in use from the master. On failure the previous limits
   * apply.
   */
  async refresh(signal: AbortSignal): Promise<void> {
    const { master, logger } = this.#deps
    const loads = this.#running()
    const names = new Set(loads.map((load) => `/${namespaceOfLoad(load)}`))
    for (const name of names) {
      try {
        const { namespaceId, attributes } = await master.getNamespace({ name }, { signal })
        this.#ofNamespace.set(namespaceId, parseBandwidth(attributes[attribute] ?? '', attribute))
      } catch (thrown) {
        logger.debug('the bandwidth limit of a namespace is unknown', {
          namespace: name,
          error: toSkeinError(thrown).message,
        })
      }
    }
    const texts = new Set(loads.map((load) => load.options.bandwidth ?? ''))
    for (const text of this.#ofText.keys()) if (!texts.has(text)) this.#ofText.delete(text)
  }

  /** Weights of the loads in the window. */
  weights(loadIds: readonly number[]): Map<number, number> {
    const loads = loadIds.map((loadId) => this.#deps.tables.loads.get([loadId])).filter((load) => load !== undefined)
    const priorities = prioritiesOfLoads(loads)
    return weightsOf(
      loads.map(({ loadId, namespaceId }) => ({
        loadId,
        namespaceId,
        priority: priorities.get(loadId) ?? priorityDefault,
      })),
    )
  }

  /** Whether the load is limited now. */
  isPaced(loadId: number): boolean {
    const { tables, clock, bandwidth } = this.#deps
    const load = tables.loads.get([loadId])
    if (load === undefined) return false
    const nowMs = clock.nowMs()
    return (
      this.#backOffs.has(load.namespaceId) ||
      [bandwidth, this.#ofNamespace.get(load.namespaceId) ?? unlimitedBandwidth, this.#bandwidthOf(load)].some(
        (limit) => bandwidthAt(limit, nowMs) !== undefined,
      )
    )
  }

  /** Bytes per second that this job worker may read for a load. Undefined: no limit. */
  allowanceOf(loadId: number, jobWorkerId: string): number | undefined {
    // A new set has just started and must be counted.
    this.#shares = undefined
    const { loads, rates } = this.#current()
    const load = loads.find((one) => one.loadId === loadId)
    const rate = rates.get(loadId)
    return load === undefined || rate === undefined ? undefined : partOf(load, rate, jobWorkerId)
  }

  /** Records the bytes that a task has read from the store so far. */
  progress(out: OutSet, told: number): void {
    const bytes = Math.min(told, readBytesMax(out.set.bytes))
    const before = this.#counted.get(out) ?? 0
    if (bytes <= before) return
    this.#counted.set(out, bytes)
    const namespaceId = this.#deps.tables.loads.get([out.set.loadId])?.namespaceId ?? ''
    const meter = this.#meters.get(namespaceId) ?? new RateMeter(this.#deps.clock)
    this.#meters.set(namespaceId, meter)
    meter.add(bytes - before)
  }

  /** Returns the pacing for the answer to a heartbeat. Undefined: nothing is limited. */
  answer(jobWorkerId: string, pressures: Pressures | undefined): Pacing | undefined {
    const now = this.#deps.clock.monotonicMs()
    const told = (pressures?.namespaces ?? []).filter(({ slowDowns }) => slowDowns > 0)
    // Only stores that a running load reads are tracked.
    const read = new Set(told.length === 0 ? [] : this.#running().map(({ namespaceId }) => namespaceId))
    for (const { namespaceId, slowDowns } of told) if (read.has(namespaceId)) this.#noteBackOff(namespaceId, slowDowns)
    const { loads, rates } = this.#current()
    const allowances = loads.flatMap((load) => {
      const rate = rates.get(load.loadId)
      return rate === undefined
        ? []
        : [{ loadId: formatLoadId(load.loadId), bytesPerSecond: partOf(load, rate, jobWorkerId) }]
    })
    const pauses = [...this.#backOffs]
      .filter(([, state]) => state.pausedUntilMs > now)
      .map(([namespaceId, state]) => ({ namespaceId, pauseMs: Math.ceil(state.pausedUntilMs - now) }))
    return allowances.length === 0 && pauses.length === 0 ? undefined : { allowances, pauses }
  }

  #noteBackOff(namespaceId: string, slowDowns: number): void {
    const { clock, random, logger } = this.#deps
    const before = this.#backOffs.get(namespaceId)
    const measured = this.#meters.get(namespaceId)?.perSecond() ?? 0
    const after = backOff(before, slowDowns, measured, clock.monotonicMs(), random)
    if (after === before) return
    this.#shares = undefined
    if (after === undefined) this.#backOffs.delete(namespaceId)
    else this.#backOffs.set(namespaceId, after)
    if (slowDowns > 0)
      logger.info('a store asks to slow down: all job workers back off', {
        namespaceId,
        bytesPerSecond: Math.round(after?.bytesPerSecond ?? 0),
      })
  }

  #current(): Shares {
    const now = this.#deps.clock.monotonicMs()
    if (this.#shares !== undefined && now - this.#sharesMadeMs < sharesMs) return this.#shares
    for (const namespaceId of [...this.#backOffs.keys()]) this.#noteBackOff(namespaceId, 0)
    this.#shares = this.#share()
    this.#sharesMadeMs = now
    return this.#shares
  }

  #share(): Shares {
    const { clock, outstanding, bandwidth } = this.#deps
    const nowMs = clock.nowMs()
    const cluster = bandwidthAt(bandwidth, nowMs)
    const running = this.#running()
    const limitOf = (load: LoadRecord): number | undefined => bandwidthAt(this.#bandwidthOf(load), nowMs)
    const namespaces = new Map<string, number>()
    for (const { namespaceId } of running) {
      const limit =
        bandwidthAt(this.#ofNamespace.get(namespaceId) ?? unlimitedBandwidth, nowMs) ?? Number.POSITIVE_INFINITY
      const held = this.#backOffs.get(namespaceId)?.bytesPerSecond ?? Number.POSITIVE_INFINITY
      if (Math.min(limit, held) < Number.POSITIVE_INFINITY) namespaces.set(namespaceId, Math.min(limit, held))
    }
    if (cluster === undefined && namespaces.size === 0 && running.every((load) => limitOf(load) === undefined))
      return { loads: [], rates: new Map() }
    const tasks = new Map<number, Map<string, number>>()
    for (const out of outstanding.all()) {
      const ofLoad = tasks.get(out.set.loadId) ?? new Map<string, number>()
      tasks.set(out.set.loadId, ofLoad)
      if (out.session !== undefined) ofLoad.set(out.jobWorkerId, (ofLoad.get(out.jobWorkerId) ?? 0) + 1)
    }
    const priorities = prioritiesOfLoads(running)
    const loads = running.flatMap((load): SharingLoad[] => {
      const tasksOf = tasks.get(load.loadId)
      const { loadId, namespaceId } = load
      if (tasksOf === undefined) return []
      return [
        { loadId, namespaceId, priority: priorities.get(loadId) ?? priorityDefault, limit: limitOf(load), tasksOf },
      ]
    })
    // A load that only waits in the queue takes nothing from the others yet, but its share is
    // calculated in advance.
    const reading = loads.filter((load) => load.tasksOf.size > 0)
    const rates = shareRates(reading, { cluster, namespaces })
    for (const load of loads)
      if (load.tasksOf.size === 0)
        rates.set(load.loadId, shareRates([...reading, load], { cluster, namespaces }).get(load.loadId))
    return { loads, rates }
  }

  #running(): LoadRecord[] {
    const { tables } = this.#deps
    const loads = tables.active.scan([], 0, Number.MAX_SAFE_INTEGER).map(({ id }) => tables.loads.get([id]))
    return loads.filter((load) => load !== undefined)
  }

  #bandwidthOf(load: LoadRecord): Bandwidth {
    const text = load.options.bandwidth ?? ''
    const known = this.#ofText.get(text)
    if (known !== undefined) return known
    const parsed = parseBandwidth(text, '--bandwidth')
    this.#ofText.set(text, parsed)
    return parsed
  }
}

/** Priorities, including the effect of deadlines. */
function prioritiesOfLoads(loads: readonly LoadRecord[]): Map<number, number> {
  return prioritiesOf(
    loads.map(({ loadId, options }) => ({
      loadId,
      priority: options.priority ?? priorityDefault,
      readyByMs: options.readyByMs,
    })),
  )
}
