// Why: settings depend on the sizes of the files that are loaded, and a directory may have millions
// of them. How: bins that grow with the size, 128 per power of two, so memory is fixed. Each bin
// also adds up its sizes and answers with their mean: sizes that are equal in a bin come out
// exact, others are off by less than 1/128. Count, total, mean, minimum and maximum are always
// exact. Pure.

const binsPerPower = 128
/** Sizes up to 2^53. */
const binCount = 47 * binsPerPower

/** Maximum relative error of a percentile. */
export const percentileErrorMax = 1 / binsPerPower
export const percents = [1, 5, 25, 50, 75, 95, 99] as const

/** A part of the histogram: files of `from` (inclusive) to `to` (exclusive) bytes. */
export interface SizeRow {
  readonly from: number
  readonly to: number
  readonly files: number
  readonly bytes: number
}

export interface SizeSummary {
  readonly files: number
  readonly bytes: number
  readonly mean: number
  readonly min: number
  readonly max: number
  readonly percentiles: Readonly<Record<`p${(typeof percents)[number]}`, number>>
}

export class SizeHistogram {
  readonly #files = new Float64Array(binCount)
  readonly #bytes = new Float64Array(binCount)
  #count = 0
  #total = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  /** @param size a whole number of bytes; `files` of this size */
  add(size: number, files = 1): void {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is no size of a file`)
    const bin = binOf(size)
    this.#files[bin] = (this.#files[bin] ?? 0) + files
    this.#bytes[bin] = (this.#bytes[bin] ?? 0) + size * files
    this.#count += files
    this.#total += size * files
    this.#min = Math.min(this.#min, size)
    this.#max = Math.max(this.#max, size)
  }

  get files(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#total
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#total / this.#count
  }

  get min(): number {
    return this.#count === 0 ? 0 : this.#min
  }

  get max(): number {
    return this.#max
  }

  /** The smallest size that `percent` percent of the files do not exceed; 0 without files. */
  percentile(percent: number): number {
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count))
    let seen = 0
    for (const { files, size } of this.#bins()) {
      seen += files
      if (seen >= rank) return Math.round(size)
    }
    return this.#max
  }

  /** GET requests that read every file once in ranges of this size. */
  requests(rangeBytes: number): number {
    let requests = 0
    for (const { files, size } of this.#bins()) requests += files * Math.max(1, Math.ceil(size / rangeBytes))
    return requests
  }

  /** Bytes in files of at least this size. */
  bytesFrom(least: number): number {
    let bytes = 0
    for (const { files, size } of this.#bins()) if (size >= least) bytes += files * size
    return bytes
  }

  summary(): SizeSummary {
    const values = percents.map((percent) => [`p${percent}`, this.percentile(percent)] as const)
    return {
      files: this.#count,
      bytes: this.#total,
      mean: this.mean,
      min: this.min,
      max: this.#max,
      percentiles: Object.fromEntries(values) as SizeSummary['percentiles'],
    }
  }

  /**
   * Rows from the smallest to the largest file, each a power of two wide or, if they would be more
   * than `most`, a power of 4, 8, ... Empty rows between are included.
   */
  rows(most: number): SizeRow[] {
    if (this.#count === 0) return []
    const [first, last] = [powerOf(this.min), powerOf(this.#max)]
    const step = Math.max(1, Math.ceil((last - first + 1) / most))
    const rows = Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => {
      const power = first + index * step
      return { from: lowerEnd(power), to: lowerEnd(power + step), files: 0, bytes: 0 }
    })
    for (const { files, size } of this.#bins()) {
      const row = rows[Math.floor((powerOf(size) - first) / step)]
      if (row === undefined) continue
      row.files += files
      row.bytes += files * size
    }
    return rows
  }

  /** Bins with files, smallest first, with the mean size of their files. */
  *#bins(): Generator<{ readonly files: number; readonly size: number }, void, undefined> {
    for (let bin = 0; bin < binCount; bin += 1) {
      const files = this.#files[bin] ?? 0
      if (files > 0) yield { files, size: (this.#bytes[bin] ?? 0) / files }
    }
  }
}

/** Sizes below 128 have a bin each; above, each power of two has 128 bins. */
function binOf(size: number): number {
  if (size < binsPerPower) return size
  const shift = powerOf(size) - 1 - Math.log2(binsPerPower)
  return shift * binsPerPower + Math.floor(size / 2 ** shift)
}

/** 0 for an empty file, otherwise 1 + the exponent of the largest power of two in it. */
function powerOf(size: number): number {
  if (size < 1) return 0
  const guess = Math.floor(Math.log2(size))
  // Logarithms of sizes just below a power of two are rounded up.
  return (2 ** guess > size ? guess - 1 : guess) + 1
}

function lowerEnd(power: number): number {
  return power === 0 ? 0 : 2 ** (power - 1)
}
