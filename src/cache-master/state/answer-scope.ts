// Why: of two answers of a store the one that was asked for later is the newer word, whichever
// comes in first. How: an answer has a scope, the keys that it speaks of, those that it leaves out
// included; an older answer says nothing of them. Pure.
import { compareKeys } from '../../meta/edge-order.ts'

/**
 * The keys below `prefix`, behind `afterKey` and up to `upToKey`, included; undefined: from the
 * start, to the end.
 */
export interface AnswerScope {
  readonly prefix: string
  readonly afterKey: string | undefined
  readonly upToKey: string | undefined
  /** It speaks of direct children alone, not of what is in them. */
  readonly isOfChildren: boolean
}

export function speaksOf({ prefix, afterKey, upToKey, isOfChildren }: AnswerScope, key: string): boolean {
  if (!key.startsWith(prefix)) return false
  if (afterKey !== undefined && compareKeys(key, afterKey) <= 0) return false
  if (upToKey !== undefined && compareKeys(key, upToKey) > 0) return false
  return !isOfChildren || isChild(prefix, key)
}

/**
 * Whether it may speak of anything in a directory (`key` is empty or ends in `/`), or of the
 * directory itself.
 */
export function speaksOfBelow(scope: AnswerScope, key: string): boolean {
  const { prefix, afterKey, upToKey, isOfChildren } = scope
  if (prefix.startsWith(key)) return true
  if (!key.startsWith(prefix) || (isOfChildren && !isChild(prefix, key))) return false
  if (upToKey !== undefined && compareKeys(upToKey, key) < 0) return false
  return afterKey === undefined || afterKey.startsWith(key) || compareKeys(afterKey, key) < 0
}

/** The directory that is listed counts as one. */
function isChild(prefix: string, key: string): boolean {
  const slash = key.indexOf('/', prefix.length)
  return slash < 0 || slash === key.length - 1
}
