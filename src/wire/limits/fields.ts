// Why: common fields (paths, ids, addresses) have the same limits in every request.
import { clientMetadataMap } from '../../base/attributes/door-metadata.ts'
import { contentTypeText, userMetadataMap } from '../../base/attributes/object-metadata.ts'
import { modeBits, ownerName } from '../../base/attributes/ownership.ts'
import { type Check, finite, optional, record, text, whole } from '../../base/shape.ts'
import type { ClientMetadata, FileMetadata, UserMetadata } from '../generated/master.ts'

/** Only the length is limited here. base/paths.ts reports other problems of a path or key. */
export const path = text(4096, { loose: true })
/** The beginning of a key, or a text to compare keys with. No key is longer (keyBytesMax). */
export const keyPart: Check = (value) => {
  if (typeof value === 'string' && !value.isWellFormed()) return ' is not well-formed Unicode'
  return keyText(value)
}
const keyText = text(1024, { loose: true })
/** Names, ids, words, addresses. */
export const word = text(800)
export const address = text(300)
export const etag = text(1024)
export const pageToken = text(16 * 1024)
export const blockId = whole(0)
export const fileId = whole(0)
export const size = whole(0)
export const count32 = whole(0, 2 ** 32 - 1)
/** The range of a date. */
export const timeMs = finite(-8.64e15, 8.64e15)
/** About 3,000 years. */
export const durationMsMax = 1e14
export const durationMs = whole(0, durationMsMax)

/** Owner, group and mode of a file or directory, where they are given. */
export const ownership = { owner: optional(ownerName), group: optional(ownerName), mode: optional(modeBits) }
/** What is stored with an object, where it is given. */
export const objectMetadata = {
  contentType: optional(contentTypeText),
  userMetadata: optional(record<UserMetadata>({ values: userMetadataMap })),
}

/** What a door told its clients, where it is given. */
export const clientMetadata = optional(record<ClientMetadata>({ values: clientMetadataMap }))

export const fileMetadata = record<FileMetadata>({ fileId, ...objectMetadata })

/** Any number, for values that are only displayed or summed. */
export const figure: Check = (value) => (typeof value === 'number' ? undefined : ' is not a number')
