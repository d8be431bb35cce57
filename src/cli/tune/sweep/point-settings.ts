// Why: one value that changes may break a tuning rule together with others (more reads than tasks),
// and then it is not measured but held back. How: the better values of the rules are applied to all
// keys that do not vary, until no rule is broken (config/tuning-rules.ts). What varies stays as it
// was asked for, and the rule that it breaks is named.
import { loadConfig } from '../../../config/read-config.ts'
import type { Config } from '../../../config/config.ts'
import type { SweepPoint } from '../../../tuning/sweep-grid.ts'

/** More than there are rules, each of which changes one key. */
const changesMax = 100
/** Where no site file is. */
const nowhere = '/nonexistent'

export interface PointSettings {
  /** All that the cluster is given. */
  readonly settings: Readonly<Record<string, string>>
  /** What was changed to keep the rules. */
  readonly fitted: Readonly<Record<string, string>>
  /** One line for each rule that the varied values break by themselves. */
  readonly broken: readonly string[]
  /** How the settings are read. */
  readonly config: Config
}

/** @throws SkeinError invalid_argument (`usage`) naming a key whose value is none */
export function pointSettings(base: Readonly<Record<string, string>>, point: SweepPoint): PointSettings {
  const fitted: Record<string, string> = {}
  const read = (): Config => {
    const definitions = { ...base, ...fitted, ...point, 'skein.home': nowhere }
    return loadConfig({ mode: 'check', definitions, environment: {} })
  }
  let config = read()
  for (let changes = 0; changes < changesMax; changes += 1) {
    const next = config.brokenRules.find(({ key }) => !Object.hasOwn(point, key))
    if (next === undefined) break
    fitted[next.key] = next.better
    config = read()
  }
  const broken = config.brokenRules.map(({ key, problem, rule }) => `rule ${rule.id}: ${key}: ${problem}`)
  return { settings: { ...base, ...fitted, ...point }, fitted, broken, config }
}
