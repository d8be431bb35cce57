// Why: what the same thing may be is the same in every request: a path, an id, an address.
import { type Check, finite, text, whole } from '../../base/shape.ts'

/**
 * What is wrong with a path or a key is said by whoever reads it (base/paths.ts); here only its
 * length counts.
 */
export const path = text(4096, { loose: true })
/** Names, ids, words, addresses. */
export const word = text(800)
export const address = text(300)
export const etag = text(1024)
export const pageToken = text(16 * 1024)
export const blockId = whole(0)
export const fileId = whole(0)
export const size = whole(0)
export const count32 = whole(0, 2 ** 32 - 1)
/** What a date can be. */
export const timeMs = finite(-8.64e15, 8.64e15)
/** About 3,000 years. */
export const durationMsMax = 1e14
export const durationMs = whole(0, durationMsMax)

/** Any number: a figure that is only shown or added up, by whoever knows what it can be. */
export const figure: Check = (value) => (typeof value === 'number' ? undefined : ' is not a number')
