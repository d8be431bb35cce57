// Why: before a load starts, users want to know how long it will take. How: a range from the rates
// of past loads. Loads with files of a similar size are preferred, and loads of the same namespace.
// A load counts only if it moved enough bytes or files. Without such loads, the time is unknown.
// Pure.

/** What one load moved, and in what time. */
export interface RateSample {
  readonly namespaceId: string
  readonly bytes: number
  readonly files: number
  readonly ms: number
}

export interface Work {
  readonly namespaceId: string
  /** Name of the namespace, for messages. */
  readonly namespace: string
  readonly bytes: number
  readonly files: number
}

export interface Estimate {
  /** Both 0 if unknown. */
  readonly bytesPerSecond: number
  readonly filesPerSecond: number
  /** Undefined: unknown. */
  readonly range: { readonly lowMs: number; readonly highMs: number } | undefined
  /** The source of the rates, or why there are none, as text. */
  readonly basis: string
}

/** Time of a load besides moving bytes: submission, listing, audit. */
const overheadMs = 300
/** Files are similar when their mean sizes differ by at most this factor. */
const alikeFactor = 4
const samplesMax = 4
/** Shorter loads say nothing about rates. */
const evidenceMs = 200
const evidenceBytes = 16 * 1024 ** 2
const evidenceFiles = 100
/**
 * Expected deviation of the next load from the measurements: of one similar load, of several, of
 * other loads.
 */
const spreads = { one: [0.7, 1.5], several: [0.8, 1.25], others: [0.5, 3] } as const

/** Whether the duration of later loads can be estimated from this load. */
export function isEvidence(sample: RateSample): boolean {
  return tellsBytes(sample) || tellsFiles(sample)
}

export function estimateOf(work: Work, samples: readonly RateSample[]): Estimate {
  if (work.files === 0)
    return { bytesPerSecond: 0, filesPerSecond: 0, range: { lowMs: 0, highMs: 0 }, basis: 'there is nothing to load' }
  const evidence = samples.filter(isEvidence)
  const own = evidence.filter((sample) => sample.namespaceId === work.namespaceId)
  const [used, whose] =
    own.length > 0 ? [own, `of /${work.namespace}`] : [evidence, 'of other namespaces of this cluster']
  const size = work.bytes / work.files
  const alike = used.filter((sample) => areAlike(sample.bytes / sample.files, size)).slice(-samplesMax)
  if (alike.length > 0) {
    const times = alike.map((sample) => timeOf(work, bytesRate(sample), filesRate(sample)))
    const sum = (part: (sample: RateSample) => number): number =>
      alike.reduce((total, sample) => total + part(sample), 0)
    const seconds = sum(busyMs) / 1000
    const rates = {
      bytesPerSecond: sum((one) => one.bytes) / seconds,
      filesPerSecond: sum((one) => one.files) / seconds,
    }
    const spread = alike.length === 1 ? spreads.one : spreads.several
    return {
      ...rates,
      range: rangeOf(times, spread),
      basis: `measured: ${loads(alike.length)} ${whose} with files of this size`,
    }
  }
  // The highest rate in bytes shows the bandwidth, the highest rate in files the cost per file.
  const bytesPerSecond = Math.max(0, ...used.filter(tellsBytes).map(bytesRate))
  const filesPerSecond = Math.max(0, ...used.filter(tellsFiles).map(filesRate))
  const isKnown =
    (bytesPerSecond > 0 || work.bytes < evidenceBytes) && (filesPerSecond > 0 || work.files < evidenceFiles)
  if (used.length === 0 || !isKnown)
    return { bytesPerSecond: 0, filesPerSecond: 0, range: undefined, basis: 'no comparable load was measured yet' }
  const range = rangeOf([timeOf(work, bytesPerSecond, filesPerSecond)], spreads.others)
  return {
    bytesPerSecond,
    filesPerSecond,
    range,
    basis: `measured: ${loads(used.length)} ${whose} with files of other sizes`,
  }
}

function tellsBytes(sample: RateSample): boolean {
  return sample.bytes >= evidenceBytes && busyMs(sample) >= evidenceMs
}

function tellsFiles(sample: RateSample): boolean {
  return sample.files >= evidenceFiles && busyMs(sample) >= evidenceMs
}

function bytesRate(sample: RateSample): number {
  return (sample.bytes / busyMs(sample)) * 1000
}

function filesRate(sample: RateSample): number {
  return (sample.files / busyMs(sample)) * 1000
}

function timeOf(work: Work, bytesPerSecond: number, filesPerSecond: number): number {
  const bytesMs = bytesPerSecond > 0 ? (work.bytes / bytesPerSecond) * 1000 : 0
  const filesMs = filesPerSecond > 0 ? (work.files / filesPerSecond) * 1000 : 0
  return Math.max(bytesMs, filesMs)
}

function rangeOf(
  times: readonly number[],
  [low, high]: readonly [number, number],
): { readonly lowMs: number; readonly highMs: number } {
  return { lowMs: overheadMs + Math.min(...times) * low, highMs: overheadMs + Math.max(...times) * high }
}

function areAlike(one: number, other: number): boolean {
  const [less, more] = one < other ? [one, other] : [other, one]
  return (more + 1) / (less + 1) <= alikeFactor
}

/** Time that the load spent moving bytes, approximately. */
function busyMs({ ms }: RateSample): number {
  return Math.max(ms - overheadMs, ms / 5)
}

function loads(count: number): string {
  return count === 1 ? 'the last load' : `the last ${count} loads`
}
