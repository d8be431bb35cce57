// Why: a door tells its clients more of a file than the store keeps, such as their ETag and tags.
// It stays with the version of the file in this cluster, and is never written to the store. How:
// one set of limits, as checks (shape.ts). Pure.
import { both, type Check, map } from '../shape.ts'

export type ClientMetadata = Readonly<Record<string, string>>

/** Not given: none. */
export interface ToldMetadata {
  /** Not empty. */
  readonly clientMetadata?: ClientMetadata
}

/** Of all names and values. */
export const clientMetadataBytesMax = 8192
const name = /^[a-z0-9-]+$/
const value = /^[ -~]*$/

/** A map of names to values. */
export const clientMetadataMap: Check = both(map(isName, isValue, clientMetadataBytesMax), (given) => {
  const bytes = Object.entries(given as ClientMetadata).reduce((sum, [key, text]) => sum + key.length + text.length, 0)
  return bytes > clientMetadataBytesMax
    ? ` has more than ${clientMetadataBytesMax} bytes of names and values`
    : undefined
})

/** The field, if it is given and not empty. */
export function toldMetadata(given: { readonly clientMetadata?: ClientMetadata | undefined }): ToldMetadata {
  const { clientMetadata = {} } = given
  return Object.keys(clientMetadata).length === 0 ? {} : { clientMetadata }
}

function isName(given: unknown): string | undefined {
  return name.test(String(given)) ? undefined : ' is no name of client metadata: use a-z, 0-9 and -'
}

function isValue(given: unknown): string | undefined {
  if (typeof given !== 'string') return ' is not a text'
  return value.test(given) ? undefined : ' has characters that are not printable ASCII'
}
