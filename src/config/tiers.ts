// Why: the directories of tiers are set in parallel lists, which are error-prone. They are checked
// and converted to tiers here. Pure.
import { isAbsolute, resolve } from 'node:path'
import type { Tier, TierDirectory } from './config.ts'
import type { Values } from './values.ts'

const aliases = ['MEM', 'SSD', 'HDD']
const defaultQuotaBytes = 10 * 1024 ** 3
const defaultWatermarks = { highRatio: 0.95, lowRatio: 0.7 }

type WatermarkKey = `goosefs.worker.tieredstore.level${number}.watermark.${'high' | 'low'}.ratio`

/**
 * @param realPath resolves the symbolic links of a path, as far as it exists
 * @throws SkeinError invalid_argument for lists of different lengths, duplicate aliases or
 *   directories, nested directories, and paths that are not absolute
 */
export function resolveTiers(values: Values, home: string, realPath: (path: string) => string): Tier[] {
  const levels = Array.from({ length: values.amount('goosefs.worker.tieredstore.levels') }, (_, level) => level)
  const named = levels.flatMap((level) => values.text(`goosefs.worker.tieredstore.level${level}.alias`) ?? [])
  const tiers: Tier[] = []
  for (const level of levels)
    tiers.push(resolveTier(values, level, home, [...named, ...tiers.map(({ alias }) => alias)]))
  const aliasesSeen = new Set<string>()
  const taken: Located[] = []
  for (const [level, { alias, directories }] of tiers.entries()) {
    if (aliasesSeen.has(alias))
      throw values.error(`goosefs.worker.tieredstore.level${level}.alias`, `'${alias}' occurs twice`)
    aliasesSeen.add(alias)
    for (const { path } of directories) {
      const one = { path, real: realPath(path) }
      const problem = taken.map((other) => overlap(one, other)).find((found) => found !== undefined)
      if (problem !== undefined) throw values.error(`goosefs.worker.tieredstore.level${level}.dirs.path`, problem)
      taken.push(one)
    }
  }
  return tiers
}

interface Located {
  readonly path: string
  readonly real: string
}

/** The problem with two directories, if any. */
function overlap(one: Located, other: Located): string | undefined {
  if (one.path === other.path) return `'${one.path}' occurs twice`
  if (one.real === other.real) return `'${other.path}' and '${one.path}' are the same directory`
  const [a, b] = [one.real, other.real].map((path) => (path.endsWith('/') ? path : `${path}/`)) as [string, string]
  if (!a.startsWith(b) && !b.startsWith(a)) return undefined
  return `'${other.path}' and '${one.path}' are nested; use separate directories`
}

/**
 * The medium of the tier's directories if it is set, otherwise the name of the level. A name that
 * is already used gets the level as suffix, `SSD1`.
 */
function aliasOf(level: number, media: readonly string[] | undefined, taken: readonly string[]): string | undefined {
  const isOne = media?.every((medium) => medium === media[0]) === true
  const name = isOne ? media[0] : aliases[level]
  return name !== undefined && taken.includes(name) ? `${name}${level}` : name
}

function resolveTier(values: Values, level: number, home: string, taken: readonly string[]): Tier {
  const key = <Name extends string>(name: Name): `goosefs.worker.tieredstore.level${number}.${Name}` =>
    `goosefs.worker.tieredstore.level${level}.${name}`
  const given = values.words(key('dirs.mediumtype'))
  const alias = values.text(key('alias')) ?? aliasOf(level, given, taken)
  if (alias === undefined)
    throw values.error('goosefs.worker.tieredstore.levels', `asks for tier ${level}, but ${key('alias')} is not set`)
  const paths = values.words(key('dirs.path')) ?? (level === 0 ? [resolve(home, 'worker', 'blocks')] : undefined)
  if (paths === undefined)
    throw values.error(
      'goosefs.worker.tieredstore.levels',
      `asks for tier ${level}, but ${key('dirs.path')} is not set`,
    )
  const media = values.words(key('dirs.mediumtype')) ?? paths.map(() => alias)
  checkLength(values, key('dirs.mediumtype'), media.length, paths.length)
  const quotas = values.numbers(key('dirs.quota')) ?? defaultQuotas(values, level, paths.length)
  checkLength(values, key('dirs.quota'), quotas.length, paths.length)
  const directories = paths.map((path, index): TierDirectory => {
    const quotaBytes = quotas[index] ?? 0
    if (quotaBytes <= 0) throw values.error(key('dirs.quota'), `the quota of '${path}' must be above 0`)
    if (!isAbsolute(path)) throw values.error(key('dirs.path'), `'${path}' is not an absolute path: begin it with /`)
    return { path: resolve(path), mediumType: media[index] ?? alias, quotaBytes }
  })
  return {
    alias,
    directories,
    watermarks: watermarksOf(values, level, key('watermark.high.ratio'), key('watermark.low.ratio')),
  }
}

/** Eviction from the last tier deletes blocks, so it needs an explicit setting. */
function watermarksOf(values: Values, level: number, highKey: WatermarkKey, lowKey: WatermarkKey): Tier['watermarks'] {
  const [high, low] = [values.number(highKey), values.number(lowKey)]
  if (high === undefined && low === undefined && level === values.amount('goosefs.worker.tieredstore.levels') - 1)
    return undefined
  const [highRatio, lowRatio] = [high ?? defaultWatermarks.highRatio, low ?? defaultWatermarks.lowRatio]
  if (lowRatio < highRatio) return { highRatio, lowRatio }
  throw values.error(
    low === undefined ? highKey : lowKey,
    `the low watermark ${lowRatio} must be below the high one, ${highRatio}`,
  )
}

function checkLength(
  values: Values,
  key: `goosefs.worker.tieredstore.level${number}.${string}`,
  length: number,
  wanted: number,
): void {
  if (length === wanted) return
  throw values.error(
    key,
    `has ${length} ${length === 1 ? 'entry' : 'entries'} for ${wanted} ` +
      `${wanted === 1 ? 'directory' : 'directories'}: set one for each entry of dirs.path`,
  )
}

function defaultQuotas(values: Values, level: number, directories: number): number[] {
  const total =
    level === 0
      ? (values.number('goosefs.worker.ramdisk.size') ?? values.number('goosefs.worker.memory.size'))
      : undefined
  return Array.from({ length: directories }, () =>
    total === undefined ? defaultQuotaBytes : Math.floor(total / directories),
  )
}
