// Why: a key is understood from what it does, what the rules say of it, and what would be chosen
// here; these are in different tables. How: brings them together. Pure.
import type { KeyDefinition } from '../config/keys/key-definition.ts'
import { type TuningRule, tuningRules } from '../config/tuning-rules.ts'
import { type TuningKey, tuningKeys } from '../config/tuning-values.ts'
import { guideAdvice } from './guide-advice.ts'
import type { Recommendation } from './recommendation.ts'

export interface Explanation {
  readonly key: string
  readonly does: string
  /** Of the GooseFS tuning guide. Undefined: it does not speak of the key. */
  readonly guide: string | undefined
  readonly rules: readonly TuningRule[]
  /** Undefined: `tune recommend` does not choose the key. */
  readonly recommended: { readonly value: string | undefined; readonly reason: string } | undefined
}

/** @param recommendation for the machine and the files, if they are known */
export function explain(key: string, definition: KeyDefinition, recommendation: Recommendation): Explanation {
  const tuningKey = Object.values(tuningKeys).find((one) => one === key)
  return {
    key,
    does: definition.doc,
    guide: tuningKey === undefined ? undefined : guideAdvice[tuningKey],
    rules: tuningRules.filter(({ keys }) => tuningKey !== undefined && keys.includes(tuningKey)),
    recommended: tuningKey === undefined ? undefined : recommendedFor(tuningKey, recommendation),
  }
}

function recommendedFor(key: TuningKey, { properties, leftAlone }: Recommendation): Explanation['recommended'] {
  const found = properties.find((one) => one.key === key)
  if (found !== undefined) return { value: found.value, reason: found.reason }
  const reason = leftAlone.find((one) => one.key === key)?.reason ?? 'it is enough here'
  return { value: undefined, reason }
}
