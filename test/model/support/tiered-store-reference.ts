// Why: what tiers must do, as a model that is too simple to be wrong: blocks of one size, tiers
// that hold a number of them, and the coldest found by adding up every touch there was. How: plain
// maps; the sequences of tiered-store-model.ts run on it and on the store.
import type { AnnotatorSettings } from '../../../src/block/tier/order/choose-annotator.ts'

export const blockBytes = 10

export interface ModelBlock {
  readonly bytes: Buffer
  touches: number[]
  readers: number
  durable: boolean
  readonly loads: Set<ModelLoad>
}

/** A load that wrote blocks. */
export interface ModelLoad {
  readonly name: string
  runs: boolean
  /**
   * Of the lists of running loads since it was first heard of: whether one named it, and how many
   * did not.
   */
  named: boolean
  unnamed: number
}

export interface Model {
  readonly settings: AnnotatorSettings
  /** In blocks. */
  readonly rooms: readonly number[]
  tiers: Map<number, ModelBlock>[]
  /** Block -> the tier that it is written in. */
  readonly writing: Map<number, { readonly level: number; readonly block: ModelBlock }>
  readonly pinned: Set<number>
  readonly loads: ModelLoad[]
  readonly evicted: number[]
  now: number
}

function worth(model: Model, { touches }: ModelBlock): number {
  if (model.settings.kind === 'LRU') return touches.at(-1) ?? 0
  const { stepFactor, attenuationFactor } = model.settings
  return touches.reduce((total, at) => total + (1 / attenuationFactor) ** ((model.now - at) * stepFactor), 0)
}

function coldestFirst(model: Model, level: number): [number, ModelBlock][] {
  return [...(model.tiers[level] ?? [])].sort(([, a], [, b]) => {
    const difference = worth(model, a) - worth(model, b)
    const isTie = Math.abs(difference) <= 1e-9 * worth(model, a)
    return isTie ? (a.touches.at(-1) ?? 0) - (b.touches.at(-1) ?? 0) : difference
  })
}

export function isMovable(model: Model, id: number, block: ModelBlock): boolean {
  return block.readers === 0 && !model.pinned.has(id) && !block.durable
}

/** Whether a load that runs has written it, or found it. */
export function isHeld({ loads }: ModelBlock): boolean {
  return [...loads].some(({ runs }) => runs)
}

function makeRoom(model: Model, level: number, evict: boolean): boolean {
  const tier = model.tiers[level]
  if (tier === undefined) return false
  const reserved = [...model.writing.values()].filter((write) => write.level === level).length
  if (tier.size + reserved < (model.rooms[level] ?? 0)) return true
  for (const [id, block] of coldestFirst(model, level)) {
    if (!isMovable(model, id, block)) continue
    if (makeRoom(model, level + 1, evict)) model.tiers[level + 1]?.set(id, block)
    else if (evict && !isHeld(block)) model.evicted.push(id)
    else continue
    tier.delete(id)
    return true
  }
  return false
}

export function touch(model: Model, block: ModelBlock): void {
  model.now += 1
  block.touches.push(model.now)
}

export function find(model: Readonly<Model>, id: number): { level: number; block: ModelBlock } | undefined {
  for (const [level, tier] of model.tiers.entries()) {
    const block = tier.get(id)
    if (block !== undefined) return { level, block }
  }
  return undefined
}

/** Where a new block goes; or why not. */
export function place(model: Model, id: number, evict: boolean): number | string {
  if (model.writing.has(id)) return 'being_written'
  if (find(model, id) !== undefined) return 'committed'
  const level = model.rooms.findIndex((_, index) => makeRoom(model, index, evict))
  return level < 0 ? 'no_capacity' : level
}

export function loadOf(model: Model, name: string): ModelLoad {
  const known = model.loads.find((load) => load.runs && load.name === name)
  if (known !== undefined) return known
  const load: ModelLoad = { name, runs: true, named: false, unnamed: 0 }
  model.loads.push(load)
  return load
}

/** The last reader is gone: up it goes, if it may and room can be made without deleting. */
export function promote(model: Model, id: number): void {
  const found = find(model, id)
  if (found === undefined || found.level === 0 || !isMovable(model, id, found.block)) return
  const { level, block } = found
  if (!makeRoom(model, 0, false)) return
  // It may itself have been sent further down to make that room.
  model.tiers[find(model, id)?.level ?? level]?.delete(id)
  model.tiers[0]?.set(id, block)
}
