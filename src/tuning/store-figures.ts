// Why: how many reads and how large ranges pay depends on the store, which a probe has measured.
// How: the knee of the ladder takes the place of a multiple of the cores; the time to the first
// byte says how large a range must be for its request not to count. Pure.
import { sizeText } from '../config/tuning-values.ts'
import type { ProbeDocument } from './probe-document.ts'
import type { RangeChoice } from './read-range.ts'

const megabyte = 1024 ** 2
/** The sizes of the guide for large files. */
const rangeSizes = [4, 8, 16].map((size) => size * megabyte)
/** Of the time of a range. */
const firstByteShareMax = 0.2
const readsMin = 2

export interface ReadsChoice {
  readonly reads: number
  readonly reason: string
}

/**
 * @param readsPerSlot requests in flight for each read slot
 * @param cores each has work, unless the store refuses so much
 * @param usual by the cores
 * @returns undefined: the probe found nothing
 */
export function readsByProbe(
  { knee, endedBy, slowDown }: ProbeDocument,
  {
    workers,
    readsPerSlot,
    cores,
    usual,
    most,
  }: Readonly<Record<'workers' | 'readsPerSlot' | 'cores' | 'usual' | 'most', number>>,
): ReadsChoice | undefined {
  if (knee === undefined) return undefined
  const isOpen = endedBy === 'bounds' || endedBy === 'connections'
  // What the store refuses it refuses to all workers together.
  const own = slowDown === undefined ? knee.connections : Math.floor(knee.connections / workers)
  const atKnee = Math.ceil(own / readsPerSlot)
  const asked = Math.min(most, Math.max(readsMin, slowDown === undefined ? cores : 0, atKnee))
  const slots = readsPerSlot > 1 ? `, ${readsPerSlot} small files for each read` : ''
  if (isOpen && asked < usual) {
    const reason = `by the cores: the probe went up to ${knee.connections} requests at once and found no knee`
    return { reads: usual, reason }
  }
  if (slowDown !== undefined) {
    const shared = workers > 1 ? ` for ${workers} job workers together` : ''
    const reason = `the store asks to slow down above ${knee.connections} requests at once${shared}${slots}`
    return { reads: asked, reason }
  }
  if (atKnee < asked)
    return {
      reads: asked,
      reason: `so that all cores work; the probe found a knee of ${knee.connections} requests at once`,
    }
  const found = isOpen ? 'the probe found no knee up to' : 'the knee that the probe found:'
  return { reads: asked, reason: `${found} ${knee.connections} requests at once${slots}` }
}

/** Never smaller than by the sizes of the files. Only for files that are read in many ranges. */
export function rangeByProbe(byFiles: RangeChoice, { rungs, rangeBytes }: ProbeDocument): RangeChoice {
  const [one] = rungs
  if (!byFiles.isForLargeFiles || one?.firstByteMs === undefined || one.requestsPerSecond === 0) return byFiles
  const bytes = Math.min(rangeBytes, one.bytesPerSecond / one.requestsPerSecond)
  const bodySeconds = Math.max(1e-6, 1 / one.requestsPerSecond - one.firstByteMs / 1000)
  const bytesPerMs = bytes / bodySeconds / 1000
  const share = (size: number): number =>
    one.firstByteMs === undefined ? 0 : one.firstByteMs / (one.firstByteMs + size / bytesPerMs)
  const wanted = rangeSizes.find((size) => share(size) <= firstByteShareMax) ?? 16 * megabyte
  if (wanted <= byFiles.rangeBytes) return byFiles
  const percent = (size: number): string => `${Math.round(100 * share(size))} %`
  const reason =
    `the first byte takes ${one.firstByteMs.toFixed(1)} ms: ${percent(wanted)} of the time of a range of ` +
    `${sizeText(wanted)}, and ${percent(byFiles.rangeBytes)} of one of ${sizeText(byFiles.rangeBytes)}`
  return { ...byFiles, rangeBytes: wanted, reason }
}

/** What the settings cannot change. */
export function slowDisks({ knee, disks }: ProbeDocument): string | undefined {
  const measured = disks.flatMap(({ bytesPerSecond }) => (bytesPerSecond === undefined ? [] : [bytesPerSecond]))
  const all = measured.reduce((sum, each) => sum + each, 0)
  if (knee === undefined || measured.length === 0 || all >= knee.bytesPerSecond) return undefined
  const rate = (bytes: number): string => `${Math.round(bytes / megabyte)} MB/s`
  return `the disks take ${rate(all)}, the store gives ${rate(knee.bytesPerSecond)}: the disks decide over a long load`
}
