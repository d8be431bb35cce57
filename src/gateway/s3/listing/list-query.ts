// Why: both versions of a listing take the same fields, and say what they were given. How: parsed
// once, with the limits of S3 (ListObjects and ListObjectsV2, Amazon S3 API Reference).
import { s3Error } from '../answer/error-table.ts'
import { countOf, type QueryFields } from '../request/query-fields.ts'

export interface ListQuery {
  readonly prefix: string
  /** Empty: none. */
  readonly delimiter: string
  readonly maxKeys: number
  /** Whether keys are percent-encoded in the answer. */
  readonly isEncoded: boolean
}

/** @throws S3 InvalidArgument */
export function listQuery(query: QueryFields, maxField = 'max-keys'): ListQuery {
  const encoding = query.get('encoding-type')
  if (encoding !== undefined && encoding !== '' && encoding !== 'url')
    throw s3Error('InvalidArgument', 'Invalid Encoding Method specified in Request')
  return {
    prefix: textOf(query, 'prefix'),
    delimiter: textOf(query, 'delimiter'),
    maxKeys: countOf(query.get(maxField), maxField),
    isEncoded: encoding === 'url',
  }
}

/** A field that is a part of a key. @throws S3 InvalidArgument */
export function textOf(query: QueryFields, name: string): string {
  const text = query.get(name) ?? ''
  if (text.includes('\0')) throw s3Error('InvalidArgument', `The field ${name} has a NUL character.`)
  return text
}

const plainKey = /^[\w.~/-]*$/

/** As keys are written with `encoding-type=url`: everything but A-Z a-z 0-9 - . _ ~ and `/`. */
export function encodedKey(key: string): string {
  if (plainKey.test(key)) return key
  return encodeURIComponent(key)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

export type Spelling = (key: string) => string

/** How keys are written in an answer. */
export function spelling({ isEncoded }: Pick<ListQuery, 'isEncoded'>): Spelling {
  return isEncoded ? encodedKey : (key) => key
}
