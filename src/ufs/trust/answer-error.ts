// Why: an answer of a store that is not understood must never be taken for one, and trying again
// does not help: a person has to know which field it was. How: every rule of this room refuses
// through this one file, so that all refusals name the request, the field, its value and what was
// expected, and none is retryable.
import { SkeinError } from '../../base/errors.ts'
import type { StoreAddress } from './s3-errors.ts'

/** The request that was answered, for messages. */
export interface AnswerContext {
  readonly address: StoreAddress
  /** Such as `LIST "a/"` or `GET "a/b"`. */
  readonly what: string
}

export interface FieldProblem {
  /** As the protocol names it: `Size`, `LastModified`, `Content-Range`. */
  readonly field: string
  /** As it came; undefined when it is missing. */
  readonly value: string | undefined
  /** Such as `a whole number of bytes`. */
  readonly expected: string
  /** The object that the field is of, where the answer tells of several. */
  readonly key?: string | undefined
}

/** Of errors that say that an answer was not understood. */
export const notUnderstoodReason = 'answer_not_understood'

const shownMax = 120

/** What is wrong with a field, in words, without the request. */
export function fieldProblemText({ field, value, expected, key }: FieldProblem): string {
  const name = key === undefined ? field : `${field} of ${shown(key)}`
  return `${name} is ${value === undefined ? 'missing' : shown(value)}: expected ${expected}`
}

/**
 * An answer with a field that cannot be understood. Not retryable: the same question has the same
 * answer.
 */
export function notUnderstoodError(context: AnswerContext, problem: FieldProblem): SkeinError {
  return refusedAnswer(context, fieldProblemText(problem), notUnderstoodReason)
}

/**
 * An answer that breaks a rule of docs/store-trust.md. Not retryable. `rule`: what it is, and what
 * that means.
 */
export function refusedAnswer({ address, what }: AnswerContext, rule: string, reason: string): SkeinError {
  return new SkeinError('failed_precondition', `${address.endpoint} bucket ${address.bucket}: ${what}: ${rule}`, {
    reason,
  })
}

/** A value of a store in a message: quoted, on one line, cut. */
export function shown(text: string): string {
  return JSON.stringify(text.length > shownMax ? `${text.slice(0, shownMax)}...` : text)
}
