// Why: a listing is read page by page, and what it passes over is lost without a word. How: keys
// ascend within a page and from page to page, and a key that comes twice is one object, or the
// listing is refused. Pure.
import type { SkeinError } from '../../base/errors.ts'
import type { ObjectInfo } from '../under-file-system.ts'
import { type AnswerContext, refusedAnswer, shown } from './answer-error.ts'

const listingOrderReason = 'listing_order'

/** The error for `key` listed after `before`, on the same page or an earlier one. */
export function orderError(context: AnswerContext, key: string, before: string): SkeinError {
  return refusedAnswer(
    context,
    `the listing is not in the order of the keys: ${shown(key)} comes after ${shown(before)}; ` +
      "without S3's order (ascending UTF-8 bytes) files would be missed",
    listingOrderReason,
  )
}

/**
 * What tells two listed objects with one key apart. Empty without an ETag: two names that the
 * listing merged into one look the same then.
 */
export function listedVersion({ etag, length, modifiedMs }: ObjectInfo): string {
  return etag === '' ? '' : `${length}/${modifiedMs}/${etag}`
}

/** Merges an object that is listed twice with the same version and time. */
export function once(objects: readonly ObjectInfo[], context: AnswerContext): readonly ObjectInfo[] {
  return objects.filter((object, index) => {
    const before = objects[index - 1]
    if (before?.key !== object.key) return true
    checkRepeat(object, listedVersion(before), context)
    return false
  })
}

/**
 * Refuses an object that is listed a second time, on this page or the next one, and is not the same
 * version. @param before listedVersion of the first time
 */
export function checkRepeat(object: ObjectInfo, before: string, context: AnswerContext): void {
  if (before !== '' && before === listedVersion(object)) return
  throw refusedAnswer(
    context,
    `${shown(object.key)} is listed twice, ${before === '' ? 'without a version' : 'in two versions'}: ` +
      'Skein cannot tell which one exists',
    listingOrderReason,
  )
}
