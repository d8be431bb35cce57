// Why: the duration of a load is best estimated from the last loads. How: each ended load leaves
// its bytes, files and time. A few are kept per namespace, and a limited number in total.
import { isEvidence, type RateSample } from './estimate.ts'
import type { LoadRecord } from '../load.ts'
import type { Tables } from './load-tables.ts'

const perNamespaceMax = 8
const allMax = 64
const rowKey = ['samples'] as const

/** Samples of ended loads, the latest last. */
export function rateSamples(tables: Pick<Tables, 'rates'>): readonly RateSample[] {
  return tables.rates.get(rowKey) ?? []
}

/** Stores the sample of a load that has just ended. */
export function noteRate(tables: Tables, load: LoadRecord): void {
  const { filesLoaded: files, bytesLoaded: bytes } = load.counts
  const ms = load.endedMs - load.startedMs
  // A load that was limited, or did nothing, does not show the speed of the store and the cluster.
  const held = (load.options.bandwidth ?? '') !== '' || load.mode === 'CANCELLED' || load.mode === 'FAILED'
  if (files === 0 || ms <= 0 || load.startedMs === 0 || held) return
  const { namespaceId } = load
  const sample = { namespaceId, bytes, files, ms }
  // Samples of small loads must not replace those of larger loads.
  if (!isEvidence(sample)) return
  const samples = [...rateSamples(tables), sample]
  const ofNamespace = samples.filter((one) => one.namespaceId === namespaceId)
  const oldest = ofNamespace.length > perNamespaceMax ? ofNamespace[0] : undefined
  tables.rates.put(rowKey, samples.filter((one) => one !== oldest).slice(-allMax))
}
