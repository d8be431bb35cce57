// Why: of what a path holds not everything may be wanted. How: globs on the path below the loaded
// one, and bounds of size and age, parsed once and then asked for each file of the listing. Pure.
import { SkeinError } from '../../base/errors.ts'
import { globCost, parseGlob } from './glob.ts'

/** Which of the listed files are wanted (wire: Selection). */
export interface Selection {
  /** None = all. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** Bytes, both inclusive. */
  readonly sizeMin?: number | undefined
  readonly sizeMax?: number | undefined
  /** Changed at this time or later; changed before this time. */
  readonly modifiedAfterMs?: number | undefined
  readonly modifiedBeforeMs?: number | undefined
}

export interface SelectableFile {
  /**
   * Undefined: nobody could look at it, so that neither bounds nor what may be below it leave it
   * out.
   */
  readonly length: number | undefined
  /** When it was changed; unknown where the master does not say. */
  readonly modifiedMs?: number | undefined
}

/** Whether a file is wanted; `name`: its path below the loaded one. */
export type Selector = (name: string, file: SelectableFile) => boolean

/** Globs, and characters of one; each file of a listing is held against all of them. */
export const selectionLimits = { globsMax: 200, globBytesMax: 3000 } as const
const { globsMax } = selectionLimits
/** Of all globs together, each choice of their braces counted. */
const charactersMax = 10_000

/**
 * Whether a new load may have these globs: what it costs to hold one name against them. @throws
 * SkeinError invalid_argument
 */
export function checkSelectionCost({ include, exclude }: Selection): void {
  const all = [...include, ...exclude]
  let [patterns, characters] = [all.length > globsMax ? all.length : 0, 0]
  for (const glob of patterns > 0 ? [] : all) {
    const cost = globCost(glob)
    patterns += cost.patterns
    characters += cost.characters
  }
  if (characters > charactersMax)
    throw new SkeinError(
      'invalid_argument',
      `the globs have more than ${charactersMax} characters, each choice of their braces counted: give an --index list`,
    )
  if (patterns > globsMax)
    throw new SkeinError(
      'invalid_argument',
      `there are more than ${globsMax} globs, each choice of their braces counted: give an --index list`,
    )
}

/** @throws SkeinError invalid_argument for a glob that is none, or bounds that leave nothing */
export function selectorOf(selection: Selection): Selector {
  const { include, exclude, sizeMin = 0, sizeMax = Number.POSITIVE_INFINITY } = selection
  const { modifiedAfterMs, modifiedBeforeMs } = selection
  if (sizeMin > sizeMax)
    throw new SkeinError('invalid_argument', `--size-min ${sizeMin} is above --size-max ${sizeMax}: no file matches`)
  if (modifiedAfterMs !== undefined && modifiedBeforeMs !== undefined && modifiedAfterMs >= modifiedBeforeMs)
    throw new SkeinError('invalid_argument', '--modified-after must be before --modified-before')
  const [wanted, unwanted] = [include.map(parseGlob), exclude.map(parseGlob)]
  const byTime = modifiedAfterMs !== undefined || modifiedBeforeMs !== undefined
  return (name, { length, modifiedMs }) => {
    const isUnknown = length === undefined
    if (!isUnknown && (length < sizeMin || length > sizeMax)) return false
    if (byTime && !isUnknown) {
      // A file of unknown age is in no time's bounds.
      if (modifiedMs === undefined) return false
      if (modifiedAfterMs !== undefined && modifiedMs < modifiedAfterMs) return false
      if (modifiedBeforeMs !== undefined && modifiedMs >= modifiedBeforeMs) return false
    }
    const mayHoldMore = isUnknown && name.endsWith('/')
    if (wanted.length > 0 && !mayHoldMore && !wanted.some((glob) => glob(name))) return false
    return !unwanted.some((glob) => glob(name))
  }
}

/** Whether it leaves anything out. */
export function isSelective(selection: Selection | undefined): boolean {
  if (selection === undefined) return false
  const { include, exclude, ...bounds } = selection
  return include.length > 0 || exclude.length > 0 || Object.values(bounds).some((bound) => bound !== undefined)
}

/**
 * The path of a file below what is loaded; for a loaded file itself, its own name. `loaded`: the
 * loaded key.
 */
export function nameBelow(loaded: string, key: string): string {
  const directory = loaded === '' || loaded.endsWith('/') ? loaded : `${loaded}/`
  return key.startsWith(directory) && key !== directory
    ? key.slice(directory.length)
    : key.slice(key.lastIndexOf('/') + 1)
}
