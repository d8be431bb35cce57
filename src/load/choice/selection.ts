// Why: a load may need only some of the files below its path. How: globs on the path relative to
// the loaded path, and limits for size and age. They are parsed once and applied to each file of
// the listing. Pure.
import { SkeinError } from '../../base/errors.ts'
import { globCost, parseGlob } from './glob.ts'

/** Selects files of the listing (wire: Selection). */
export interface Selection {
  /** Empty: all files. */
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** In bytes, both inclusive. */
  readonly sizeMin?: number | undefined
  readonly sizeMax?: number | undefined
  /** Modified at this time or later; modified before this time. */
  readonly modifiedAfterMs?: number | undefined
  readonly modifiedBeforeMs?: number | undefined
}

export interface SelectableFile {
  /**
   * Undefined: the object could not be looked up. Neither limits nor rules for what may be below it
   * exclude it.
   */
  readonly length: number | undefined
  /** Modification time. Undefined if the master does not send it. */
  readonly modifiedMs?: number | undefined
}

/** Whether a file is selected. `name` is its path relative to the loaded path. */
export type Selector = (name: string, file: SelectableFile) => boolean

/**
 * Maximum number of globs, and of characters per glob. Each file of a listing is matched against
 * all of them.
 */
export const selectionLimits = { globsMax: 200, globBytesMax: 3000 } as const
const { globsMax } = selectionLimits
/** For all globs together, counting each choice of their braces. */
const charactersMax = 10_000

/**
 * Checks whether a new load may have these globs, by the cost of matching one name against them.
 * @throws SkeinError invalid_argument
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
      `the globs have more than ${charactersMax} characters after brace expansion: use an --index list`,
    )
  if (patterns > globsMax)
    throw new SkeinError(
      'invalid_argument',
      `there are more than ${globsMax} globs after brace expansion: use an --index list`,
    )
}

/** @throws SkeinError invalid_argument for an invalid glob, or limits that match no file */
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
      // A file of unknown age matches no time limit.
      if (modifiedMs === undefined) return false
      if (modifiedAfterMs !== undefined && modifiedMs < modifiedAfterMs) return false
      if (modifiedBeforeMs !== undefined && modifiedMs >= modifiedBeforeMs) return false
    }
    const mayHoldMore = isUnknown && name.endsWith('/')
    if (wanted.length > 0 && !mayHoldMore && !wanted.some((glob) => glob(name))) return false
    return !unwanted.some((glob) => glob(name))
  }
}

/** Whether the selection excludes anything. */
export function isSelective(selection: Selection | undefined): boolean {
  if (selection === undefined) return false
  const { include, exclude, ...bounds } = selection
  return include.length > 0 || exclude.length > 0 || Object.values(bounds).some((bound) => bound !== undefined)
}

/** Returns the path of a file relative to the loaded key; for a loaded file itself, its name. */
export function nameBelow(loaded: string, key: string): string {
  const directory = loaded === '' || loaded.endsWith('/') ? loaded : `${loaded}/`
  return key.startsWith(directory) && key !== directory
    ? key.slice(directory.length)
    : key.slice(key.lastIndexOf('/') + 1)
}
