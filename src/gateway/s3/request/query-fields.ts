// Why: names in the query select the operation, and the signature covers all of them. How: decoded
// once, with a limit; a name without `=` has an empty value.
import { s3Error } from '../answer/error-table.ts'

const fieldsMax = 64
const noPairs: QueryFields['pairs'] = []

export class QueryFields {
  readonly pairs: readonly (readonly [name: string, value: string])[]

  /** @param text the query without `?` @throws S3 InvalidURI, InvalidRequest */
  constructor(text: string) {
    if (text === '') {
      this.pairs = noPairs
      return
    }
    const parts = text.split('&').filter((part) => part !== '')
    if (parts.length > fieldsMax) throw s3Error('InvalidRequest', `The query has more than ${fieldsMax} fields.`)
    this.pairs = parts.map((part) => {
      const mark = part.indexOf('=')
      return mark < 0 ? [decoded(part), ''] : [decoded(part.slice(0, mark)), decoded(part.slice(mark + 1))]
    })
  }

  has(name: string): boolean {
    return this.pairs.some(([one]) => one === name)
  }

  /** @throws S3 InvalidArgument when the field is there twice */
  get(name: string): string | undefined {
    if (this.pairs.length === 0) return undefined
    const found = this.pairs.filter(([one]) => one === name)
    if (found.length > 1) throw s3Error('InvalidArgument', `The query has ${name} more than once.`)
    return found[0]?.[1]
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw s3Error('InvalidURI', 'The query is not percent-encoded UTF-8.')
  }
}

/** From 0 to 1000; more is 1000, as at S3. @throws S3 InvalidArgument */
export function countOf(text: string | undefined, name: string, max = 1000): number {
  if (text === undefined || text === '') return max
  const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(count) || count > 2 ** 31 - 1)
    throw s3Error('InvalidArgument', `Argument ${name} must be an integer between 0 and 2147483647`)
  return Math.min(count, max)
}
