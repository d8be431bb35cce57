// Why: a disk that fails should be left alone before it has cost every reader and writer its
// patience, and be taken back when it is well again. How: pure. What happens to a directory goes
// in, what its store has to do comes out.
//
//   normal   --faultsToUnstable within windowMs--> unstable
//     nothing new is written there; its blocks are still read
//   unstable --probesToNormal good ones in a row--> normal
//   unstable --probesToDown bad ones in a row, or faultsToUnstable more--> down
//   any      --gone (no such directory, not writable any more)--> down
//     effect `lost`: its blocks are reported lost
//   down     --probesToNormal good ones in a row--> normal
//     effect `found`: look what is there, report it
//
// A probe writes, reads back and deletes a small file. It is due `probeIntervalMs` after the last
// one, in every mode but normal.

export interface DiskHealthLimits {
  readonly windowMs: number
  readonly faultsToUnstable: number
  readonly probeIntervalMs: number
  readonly probesToNormal: number
  readonly probesToDown: number
}

export const defaultHealthLimits: DiskHealthLimits = {
  windowMs: 60_000,
  faultsToUnstable: 3,
  probeIntervalMs: 5000,
  probesToNormal: 3,
  probesToDown: 3,
}

export interface DiskHealth {
  readonly mode: 'normal' | 'unstable' | 'down'
  readonly sinceMs: number
  /** When the faults of the present mode happened; in normal mode those of the last window. */
  readonly faultsMs: readonly number[]
  readonly goodProbes: number
  readonly badProbes: number
  /** Undefined in normal mode. */
  readonly probeDueMs: number | undefined
}

/** All times are readings of one monotonic clock. A full disk is no fault. */
export type DiskEvent =
  | { readonly kind: 'fault'; readonly atMs: number }
  | { readonly kind: 'gone'; readonly atMs: number }
  | { readonly kind: 'probed'; readonly good: boolean; readonly atMs: number }

export interface DiskStep {
  readonly health: DiskHealth
  /** `lost`: report its blocks lost and forget them. `found`: scan it, report what is there. */
  readonly effect: 'lost' | 'found' | undefined
}

export function healthyDisk(atMs: number): DiskHealth {
  return { mode: 'normal', sinceMs: atMs, faultsMs: [], goodProbes: 0, badProbes: 0, probeDueMs: undefined }
}

/** Whether new blocks may be written to the directory. */
export function mayWrite({ mode }: DiskHealth): boolean {
  return mode === 'normal'
}

/** Whether its blocks are there to be read. */
export function mayRead({ mode }: DiskHealth): boolean {
  return mode !== 'down'
}

export function isProbeDue({ probeDueMs }: DiskHealth, atMs: number): boolean {
  return probeDueMs !== undefined && atMs >= probeDueMs
}

/** What becomes of a directory after an event; pure. */
export function stepDisk(
  health: DiskHealth,
  event: DiskEvent,
  limits: DiskHealthLimits = defaultHealthLimits,
): DiskStep {
  switch (event.kind) {
    case 'gone':
      return health.mode === 'down' ? same(health) : goDown(event.atMs, limits)
    case 'fault':
      return health.mode === 'down' ? same(health) : onFault(health, event.atMs, limits)
    case 'probed':
      // One that was under way when the disk became well says nothing new.
      return health.mode === 'normal' ? same(health) : onProbe(health, event.good, event.atMs, limits)
  }
}

function onFault(health: DiskHealth, atMs: number, limits: DiskHealthLimits): DiskStep {
  const faultsMs = [...health.faultsMs.filter((faultMs) => atMs - faultMs < limits.windowMs), atMs]
  if (health.mode === 'normal') {
    if (faultsMs.length < limits.faultsToUnstable) return same({ ...health, faultsMs })
    return same({ ...troubled(atMs, limits), mode: 'unstable' })
  }
  if (faultsMs.length >= limits.faultsToUnstable) return goDown(atMs, limits)
  return same({ ...health, faultsMs, goodProbes: 0 })
}

function onProbe(health: DiskHealth, good: boolean, atMs: number, limits: DiskHealthLimits): DiskStep {
  const goodProbes = good ? health.goodProbes + 1 : 0
  const badProbes = good ? 0 : health.badProbes + 1
  if (goodProbes >= limits.probesToNormal)
    return { health: healthyDisk(atMs), effect: health.mode === 'down' ? 'found' : undefined }
  if (badProbes >= limits.probesToDown && health.mode === 'unstable') return goDown(atMs, limits)
  return same({ ...health, goodProbes, badProbes, probeDueMs: atMs + limits.probeIntervalMs })
}

function goDown(atMs: number, limits: DiskHealthLimits): DiskStep {
  return { health: { ...troubled(atMs, limits), mode: 'down' }, effect: 'lost' }
}

function troubled(atMs: number, limits: DiskHealthLimits): Omit<DiskHealth, 'mode'> {
  return { sinceMs: atMs, faultsMs: [], goodProbes: 0, badProbes: 0, probeDueMs: atMs + limits.probeIntervalMs }
}

function same(health: DiskHealth): DiskStep {
  return { health, effect: undefined }
}
