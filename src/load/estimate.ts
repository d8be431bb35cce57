// Why: before a load begins its user wants to know when it will be in. How: the rates of past loads, those of files of the
// same size before others, and of the same namespace before the cluster's; where nothing was ever loaded, a guess that
// says that it is one. Pure.

/** What one load brought in, in what time. */
export interface RateSample {
  readonly namespaceId: string
  readonly bytes: number
  readonly files: number
  readonly ms: number
}

export interface Work {
  readonly namespaceId: string
  /** Of the namespace, for the reader. */
  readonly namespace: string
  readonly bytes: number
  readonly files: number
  readonly jobWorkers: number
}

export interface Estimate {
  readonly bytesPerSecond: number
  readonly filesPerSecond: number
  readonly ms: number
  /** What the rates are of, in words. */
  readonly basis: string
}

/** What a load takes beside moving bytes: it is accepted, listed, audited. */
const overheadMs = 300
/** Files are alike when their mean sizes differ by no more than this factor. */
const alikeFactor = 4
const samplesMax = 4
/** Where nothing is known; of one job worker. */
const guessedBytesPerSecond = 100 * 1024 ** 2
const guessedFilesPerSecond = 500

export function estimateOf(work: Work, samples: readonly RateSample[]): Estimate {
  const own = samples.filter((sample) => sample.namespaceId === work.namespaceId)
  const [used, whose] = own.length > 0 ? [own, `of /${work.namespace}`] : [samples, 'of other namespaces of this cluster']
  if (used.length === 0) {
    const workers = Math.max(1, work.jobWorkers)
    const rates = { bytesPerSecond: guessedBytesPerSecond * workers, filesPerSecond: guessedFilesPerSecond * workers }
    const [mebibytes, files] = [guessedBytesPerSecond / 1024 ** 2, guessedFilesPerSecond]
    const of = workers === 1 ? '1 job worker' : `${workers} job workers`
    return estimateBy(work, rates, `a guess, since no load has ended here yet: ${mebibytes}MB/s and ${files} files/s for each of ${of}`)
  }
  const size = work.bytes / Math.max(1, work.files)
  const alike = used.filter((sample) => areAlike(sample.bytes / sample.files, size)).slice(-samplesMax)
  if (alike.length > 0) {
    const sum = (part: (sample: RateSample) => number): number => alike.reduce((total, sample) => total + part(sample), 0)
    const seconds = sum(busyMs) / 1000
    const rates = { bytesPerSecond: sum((one) => one.bytes) / seconds, filesPerSecond: sum((one) => one.files) / seconds }
    return estimateBy(work, rates, `measured: ${loads(alike.length)} ${whose} with files of this size`)
  }
  // The fastest in bytes tells of the bandwidth, the fastest in files of what one costs.
  const fastest = (part: (sample: RateSample) => number): number => Math.max(...used.map((one) => (part(one) / busyMs(one)) * 1000))
  const rates = { bytesPerSecond: fastest((one) => one.bytes), filesPerSecond: fastest((one) => one.files) }
  return estimateBy(work, rates, `measured: ${loads(used.length)} ${whose} with files of other sizes`)
}

function estimateBy(work: Work, rates: Pick<Estimate, 'bytesPerSecond' | 'filesPerSecond'>, basis: string): Estimate {
  const bytesMs = rates.bytesPerSecond > 0 ? (work.bytes / rates.bytesPerSecond) * 1000 : 0
  const filesMs = rates.filesPerSecond > 0 ? (work.files / rates.filesPerSecond) * 1000 : 0
  return { ...rates, ms: work.files === 0 ? 0 : overheadMs + Math.max(bytesMs, filesMs), basis }
}

function areAlike(one: number, other: number): boolean {
  const [less, more] = one < other ? [one, other] : [other, one]
  return (more + 1) / (less + 1) <= alikeFactor
}

/** The time of a load that moving its bytes took, as far as that can be told from outside. */
function busyMs({ ms }: RateSample): number {
  return Math.max(ms - overheadMs, ms / 5)
}

function loads(count: number): string {
  return count === 1 ? 'the last load' : `the last ${count} loads`
}
