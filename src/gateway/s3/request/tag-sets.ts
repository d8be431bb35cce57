// Why: tags come as a query in a header and as XML, and are stored as one text. How: the form of
// `x-amz-tagging`, names and values percent-encoded. Limits: "Categorizing your objects using tags"
// (Amazon S3 User Guide).
import { s3Error } from '../answer/error-table.ts'

export interface Tag {
  readonly key: string
  readonly value: string
}

const tagsMax = 10
const keyCharactersMax = 128
const valueCharactersMax = 256
const textCharactersMax = 4096

/** The text that is stored, sorted by key; empty for no tags. @throws S3 InvalidTag */
export function tagText(tags: readonly Tag[]): string {
  if (tags.length > tagsMax) throw s3Error('InvalidTag', `Object tags cannot be greater than ${tagsMax}`)
  if (new Set(tags.map(({ key }) => key)).size < tags.length)
    throw s3Error('InvalidTag', 'Cannot provide multiple Tags with the same key')
  for (const { key, value } of tags) {
    if (key === '' || key.length > keyCharactersMax || !key.isWellFormed())
      throw s3Error('InvalidTag', 'The TagKey you have provided is invalid')
    if (value.length > valueCharactersMax || !value.isWellFormed())
      throw s3Error('InvalidTag', 'The TagValue you have provided is invalid')
  }
  const sorted = tags.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  const text = sorted.map(({ key, value }) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`).join('&')
  if (text.length > textCharactersMax)
    throw s3Error('InvalidTag', `The tags are longer than ${textCharactersMax} bytes when they are encoded`)
  return text
}

/** The inverse of tagText, which also reads `x-amz-tagging`. @throws S3 InvalidArgument */
export function tagsOf(text: string): Tag[] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const mark = pair.indexOf('=')
      const [key, value] = mark < 0 ? [pair, ''] : [pair.slice(0, mark), pair.slice(mark + 1)]
      return { key: decoded(key), value: decoded(value) }
    })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw s3Error('InvalidArgument', 'The header x-amz-tagging must be encoded as the query of a URL.')
  }
}
