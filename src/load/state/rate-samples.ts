// Why: how long a load will take is best told by how long the last ones took. How: each load that
// ends leaves its bytes, files and time, a few of each namespace and a bounded number in all.
import { isEvidence, type RateSample } from './estimate.ts'
import type { LoadRecord } from '../load.ts'
import type { Tables } from './load-tables.ts'

const perNamespaceMax = 8
const allMax = 64
const rowKey = ['samples'] as const

/** Of loads that have ended, the latest last. */
export function rateSamples(tables: Pick<Tables, 'rates'>): readonly RateSample[] {
  return tables.rates.get(rowKey) ?? []
}

/** Keeps what a load that has just ended tells. */
export function noteRate(tables: Tables, load: LoadRecord): void {
  const { filesLoaded: files, bytesLoaded: bytes } = load.counts
  const ms = load.endedMs - load.startedMs
  // One that was held back, or did nothing, tells nothing of what the store and the cluster can do.
  const held = (load.options.bandwidth ?? '') !== '' || load.mode === 'CANCELLED' || load.mode === 'FAILED'
  if (files === 0 || ms <= 0 || load.startedMs === 0 || held) return
  const { namespaceId } = load
  const sample = { namespaceId, bytes, files, ms }
  // Small loads must not push out what the larger ones told.
  if (!isEvidence(sample)) return
  const samples = [...rateSamples(tables), sample]
  const ofNamespace = samples.filter((one) => one.namespaceId === namespaceId)
  const oldest = ofNamespace.length > perNamespaceMax ? ofNamespace[0] : undefined
  tables.rates.put(rowKey, samples.filter((one) => one !== oldest).slice(-allMax))
}
