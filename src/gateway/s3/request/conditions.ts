// Why: conditional requests are how clients avoid lost updates and needless bytes. How: RFC 9110,
// 13.2.2, in its order; times count in whole seconds. An object may be known by several ETags (that
// of the client that wrote it, that of the store): a condition holds if it holds for one of them.
import { timeOfHeader } from './http-time.ts'
import { s3Error } from '../answer/error-table.ts'

/** The texts of the headers; undefined where missing. */
export interface ConditionHeaders {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
  readonly ifModifiedSince?: string | undefined
  readonly ifUnmodifiedSince?: string | undefined
}

export interface Validators {
  /** Without quotes. */
  readonly etags: readonly string[]
  readonly modifiedMs: number
}

/** `unchanged`: 304 for a read. */
export type Verdict = 'go' | 'unchanged' | 'failed'

/** @returns what the conditions of a read of this object say */
export function evaluated(conditions: ConditionHeaders, { etags, modifiedMs }: Validators): Verdict {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  const modified = Math.floor(modifiedMs / 1000)
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, etags, 'strong')) return 'failed'
  } else {
    const since = seconds(ifUnmodifiedSince)
    if (since !== undefined && modified > since) return 'failed'
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, etags, 'weak') ? 'unchanged' : 'go'
  const since = seconds(ifModifiedSince)
  return since !== undefined && modified <= since ? 'unchanged' : 'go'
}

/**
 * What is required of the object that a write replaces: it is not there, it is there and has one of
 * these ETags, or it is not there or has none of them. The ETags are those of a header.
 */
export type WriteCondition =
  | { readonly kind: 'absent' }
  | { readonly kind: 'match'; readonly etags: string }
  | { readonly kind: 'other'; readonly etags: string }

/** @throws S3 NotImplemented for both conditions at once */
export function writeCondition({ ifMatch, ifNoneMatch }: ConditionHeaders): WriteCondition | undefined {
  if (ifMatch !== undefined && ifNoneMatch !== undefined)
    throw s3Error('NotImplemented', 'If-Match together with If-None-Match is not implemented for writes.')
  if (ifMatch !== undefined) return { kind: 'match', etags: ifMatch }
  if (ifNoneMatch === undefined) return undefined
  return ifNoneMatch.trim() === '*' ? { kind: 'absent' } : { kind: 'other', etags: ifNoneMatch }
}

/** Whether a list of entity tags has one of these. */
export function matches(list: string, etags: readonly string[], comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true
  return list.split(',').some((item) => {
    const tag = item.trim()
    if (comparison === 'strong' && tag.startsWith('W/')) return false
    return etags.includes(bare(tag.replace(/^W\//, '')))
  })
}

/** An entity tag without quotes, which are optional in requests. */
export function bare(tag: string): string {
  return tag.trim().replace(/^"(.*)"$/s, '$1')
}

/** A time that cannot be read is ignored, as RFC 9110 says. */
function seconds(text: string | undefined): number | undefined {
  const ms = text === undefined ? undefined : timeOfHeader(text)
  return ms === undefined ? undefined : Math.floor(ms / 1000)
}
