// Why: a range is a promise about bytes, and each wrong one has its own answer. How: RFC 9110,
// 14.1, one range; S3 answers several ranges, or text that is none, with the whole object.
import { s3Error } from '../answer/error-table.ts'

export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** Undefined: the whole object. @throws S3 InvalidRange when the object has none of the bytes */
export function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^\s*bytes\s*=\s*(\d{0,16})\s*-\s*(\d{0,16})\s*$/i.exec(header ?? '')
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return undefined
    const length = Math.min(Number(last), size)
    if (length === 0) throw s3Error('InvalidRange')
    return { offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < offset) return undefined
  if (offset >= size) throw s3Error('InvalidRange')
  return { offset, length: end - offset + 1 }
}

/**
 * `bytes=a-b` of `x-amz-copy-source-range`: both ends are required, and must be in the object.
 * @throws S3 InvalidArgument, InvalidRange
 */
export function copyRangeOf(header: string | undefined, size: number): ByteRange | undefined {
  if (header === undefined) return undefined
  const match = /^bytes=(\d{1,16})-(\d{1,16})$/.exec(header)
  const [offset, last] = [Number(match?.[1]), Number(match?.[2])]
  if (match === null || last < offset)
    throw s3Error('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last.')
  if (last >= size) throw s3Error('InvalidRange', `The range is not in the source object, which has ${size} bytes.`)
  return { offset, length: last - offset + 1 }
}
