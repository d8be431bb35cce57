// Why: a response that Skein cannot interpret must never be used. A retry does not help: somebody
// has to know which field was wrong. How: all rules of this folder report errors through this file,
// so every message names the request, the field, its value and the expected value. None is
// retryable.
import { SkeinError } from '../../base/errors.ts'
import type { StoreAddress } from './s3-errors.ts'

/** The request of the response, for messages. */
export interface AnswerContext {
  readonly address: StoreAddress
  /** Such as `LIST "a/"` or `GET "a/b"`. */
  readonly what: string
}

export interface FieldProblem {
  /** The name in the protocol: `Size`, `LastModified`, `Content-Range`. */
  readonly field: string
  /** The received text; undefined when it is missing. */
  readonly value: string | undefined
  /** Such as `a whole number of bytes`. */
  readonly expected: string
  /** The object of the field, if the response lists several. */
  readonly key?: string | undefined
}

/** The error reason of responses that could not be interpreted. */
export const notUnderstoodReason = 'answer_not_understood'

const shownMax = 120

/** Describes a problem with a field, without the request. */
export function fieldProblemText({ field, value, expected, key }: FieldProblem): string {
  const name = key === undefined ? field : `${field} of ${shown(key)}`
  return `${name} is ${value === undefined ? 'missing' : shown(value)}: expected ${expected}`
}

/**
 * The error of a response with a field that cannot be interpreted. Not retryable: a retry has the
 * same result.
 */
export function notUnderstoodError(context: AnswerContext, problem: FieldProblem): SkeinError {
  return refusedAnswer(context, fieldProblemText(problem), notUnderstoodReason)
}

/**
 * The error of a response that breaks a rule of docs/store-trust.md. Not retryable. `rule`
 * describes the violation and its effect.
 */
export function refusedAnswer({ address, what }: AnswerContext, rule: string, reason: string): SkeinError {
  return new SkeinError('failed_precondition', `${address.endpoint} bucket ${address.bucket}: ${what}: ${rule}`, {
    reason,
  })
}

/** A value from a store for a message: quoted, on one line, truncated. */
export function shown(text: string): string {
  return JSON.stringify(text.length > shownMax ? `${text.slice(0, shownMax)}...` : text)
}
