// Why: many loads read from few stores under limits of loads, namespaces and the cluster, and one
// place must decide how much each may read. How: weighted max-min fairness. One water level rises
// for all loads, and the rate of each load is the level times its weight. A load that reaches a
// limit stays there, and the others continue. A namespace weighs as much as its most important
// load, and its loads divide that by priority: ten loads of one namespace weigh no more than one
// load of another.

export interface SharingLoad {
  readonly loadId: number
  readonly namespaceId: string
  /** Weight of the load within its namespace. */
  readonly priority: number
  /** Limit of this load in bytes per second. Undefined: no limit. */
  readonly limit: number | undefined
  /** Tasks that run or are ready, by job worker. */
  readonly tasksOf: ReadonlyMap<string, number>
}

export interface SharedLimits {
  readonly cluster: number | undefined
  readonly namespaces: ReadonlyMap<string, number>
}

/** Returns the weight of each load among all loads. */
export function weightsOf(
  loads: readonly Pick<SharingLoad, 'loadId' | 'namespaceId' | 'priority'>[],
): Map<number, number> {
  const weights = new Map<number, number>()
  for (const ofNamespace of Map.groupBy(loads, (load) => load.namespaceId).values()) {
    const sum = ofNamespace.reduce((total, load) => total + load.priority, 0)
    const most = Math.max(...ofNamespace.map((load) => load.priority))
    for (const load of ofNamespace) weights.set(load.loadId, (most * load.priority) / sum)
  }
  return weights
}

interface Group {
  readonly limit: number
  readonly members: readonly SharingLoad[]
}

/**
 * Returns the bytes per second of each load. Undefined: no limit. Loads without any limit are not
 * slowed down.
 */
export function shareRates(loads: readonly SharingLoad[], limits: SharedLimits): Map<number, number | undefined> {
  const weights = weightsOf(loads)
  const weightOf = (load: SharingLoad): number => weights.get(load.loadId) ?? 1
  const groups: Group[] = loads
    .filter((load) => load.limit !== undefined)
    .map((load) => ({ limit: load.limit ?? 0, members: [load] }))
  for (const [namespaceId, members] of Map.groupBy(loads, (load) => load.namespaceId)) {
    const limit = limits.namespaces.get(namespaceId)
    if (limit !== undefined) groups.push({ limit, members })
  }
  if (limits.cluster !== undefined) groups.push({ limit: limits.cluster, members: loads })
  const rates = new Map<number, number>()
  for (;;) {
    let level = Number.POSITIVE_INFINITY
    let full: Group | undefined
    for (const group of groups) {
      const rising = group.members.filter((load) => !rates.has(load.loadId))
      if (rising.length === 0) continue
      const taken = group.members.reduce((sum, load) => sum + (rates.get(load.loadId) ?? 0), 0)
      const reached = Math.max(0, group.limit - taken) / rising.reduce((sum, load) => sum + weightOf(load), 0)
      if (reached < level) {
        level = reached
        full = group
      }
    }
    if (full === undefined) break
    for (const load of full.members) if (!rates.has(load.loadId)) rates.set(load.loadId, level * weightOf(load))
  }
  return new Map(loads.map((load) => [load.loadId, rates.get(load.loadId)]))
}

/**
 * A job worker's part of a load's rate, in proportion to its running tasks. A job worker without
 * tasks gets the part of one task.
 */
export function partOf(load: SharingLoad, rate: number, jobWorkerId: string): number {
  const mine = load.tasksOf.get(jobWorkerId) ?? 0
  const all = [...load.tasksOf.values()].reduce((sum, tasks) => sum + tasks, 0)
  return mine > 0 ? (rate * mine) / all : rate / (all + 1)
}
