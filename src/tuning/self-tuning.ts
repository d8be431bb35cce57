// Why: with skein.tuning=auto a configured value is not always the value of a load, so whoever
// explains a key must say what happens to it. How: one sentence for each key that changes. Pure.
import type { TuningLimitsConfig } from '../config/config.ts'
import { selfTunedKeys } from '../config/tuning-limits.ts'
import { sizeText, tuningKeys as keys } from '../config/tuning-values.ts'

/**
 * What a load does with the value of a key. Undefined: it keeps it.
 * @param limits of `skein.tuning=auto`; undefined: it is off
 * @param isSet whether the value is set, not the default
 */
export function selfTuning(key: string, limits: TuningLimitsConfig | undefined, isSet: boolean): string | undefined {
  const tuned = selfTunedKeys.find((one) => one === key)
  if (tuned === undefined) return undefined
  if (limits === undefined) return 'skein.tuning is off: a load keeps the value'
  if (isSet && tuned === keys.range) return 'the value is set: a load keeps it, with skein.tuning=auto, too'
  if (isSet) return 'the value is set: with skein.tuning=auto a load uses it or less'
  const most = {
    [keys.reads]: String(limits.readsMax),
    [keys.range]: sizeText(limits.rangeBytesMax),
    [keys.tasks]: String(limits.tasksMax),
    [keys.threads]: String(limits.streamsMax),
  }[tuned]
  return `skein.tuning=auto: a load begins with the value and uses at most ${most}`
}

/** Keys whose values are upper limits of loads, because they are set. */
export function upperLimits(limits: TuningLimitsConfig | undefined, isSet: (key: string) => boolean): string[] {
  return limits === undefined ? [] : selfTunedKeys.filter((key) => isSet(key))
}
