// Why: a client may read an object by the parts that it was uploaded in. How: the sizes are kept
// with the object, equal ones in a row counted: `8388608*12,100`. The checksums of the parts are
// kept, too, while they are few.

const textCharactersMax = 2048

/** Undefined: too many different sizes to keep. */
export function partSizesText(sizes: readonly number[]): string | undefined {
  const runs: { readonly size: number; count: number }[] = []
  for (const size of sizes) {
    const last = runs.at(-1)
    if (last?.size === size) last.count += 1
    else runs.push({ size, count: 1 })
  }
  const text = runs.map(({ size, count }) => (count === 1 ? String(size) : `${size}*${count}`)).join(',')
  return text.length > textCharactersMax ? undefined : text
}

/** Undefined: a part has none, or they are too many to keep. */
export function partChecksumsText(checksums: readonly (string | undefined)[]): string | undefined {
  if (checksums.includes(undefined)) return undefined
  const text = checksums.join(',')
  return text.length > textCharactersMax ? undefined : text
}

/** Of how many parts the text tells. */
export function partsCount(text: string): number {
  return text.split(',').reduce((sum, run) => sum + Number(run.split('*')[1] ?? 1), 0)
}

export interface PartPlace {
  readonly offset: number
  readonly length: number
  readonly count: number
}

/** Where part `number` (from 1) is; undefined: there is none. */
export function partPlace(text: string, number: number): PartPlace | undefined {
  let [offset, before, found] = [0, 0, undefined as { readonly offset: number; readonly length: number } | undefined]
  for (const run of text.split(',')) {
    const [size = 0, count = 1] = run.split('*').map(Number)
    if (number > before && number <= before + count)
      found = { offset: offset + (number - before - 1) * size, length: size }
    offset += size * count
    before += count
  }
  return found === undefined ? undefined : { ...found, count: before }
}
