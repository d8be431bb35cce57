// Why: bytes are used only if their response proves what they are. How: one pure function that
// compares the head of the response to a range GET with the request. If the response is combined
// with others, it must name its version. If it is the whole object, it needs no ETag, because one
// response has one version. docs/store-trust.md describes each rule.
import type { AnswerHeaders } from '../transport/http-head.ts'

export interface RangeQuestion {
  readonly offset: number
  readonly length: number
  /** Without quotes. */
  readonly etag: string
  /** The size of the whole object, if known. */
  readonly objectLength?: number | undefined
  /** These bytes are the whole object and are not combined with another response. */
  readonly inOneAnswer?: boolean | undefined
}

/**
 * `damaged`: a retry may succeed; final if it repeats. `changed`: another version or size.
 * `unproven`: a retry does not help, but the object may be read in one response.
 */
export interface RangeProblem {
  readonly kind: 'damaged' | 'changed' | 'unproven'
  readonly text: string
}

/**
 * The problem with the head of a response with status 200 or 206; undefined when its body is the
 * requested range.
 */
export function rangeProblem(
  question: RangeQuestion,
  status: number,
  headers: AnswerHeaders,
): RangeProblem | undefined {
  return (
    (status === 206 ? partialProblem(question, headers) : wholeProblem(question, headers)) ??
    lengthProblem(question, headers)
  )
}

/** An ETag without quotes and without the weak mark, which proxies add. */
export function bareEtag(text: string): string {
  return text.replace(/^W\//, '').replace(/^"|"$/g, '')
}

/** Whether the ETag of a response is the requested version. */
function isVersion(given: string, wanted: string): boolean {
  return bareEtag(given) === wanted
}

function partialProblem(question: RangeQuestion, headers: AnswerHeaders): RangeProblem | undefined {
  const { offset, length, objectLength = question.inOneAnswer === true ? length : undefined } = question
  const type = headers.get('content-type') ?? ''
  if (/^multipart\//i.test(type)) return damaged(`Content-Type ${shown(type)} came: several ranges instead of one`)
  const range = headers.get('content-range')
  const wanted = `bytes ${offset}-${offset + length - 1}/`
  const digits = /^bytes +(\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(range ?? '')
  const [first, last, total] = (digits ?? []).slice(1).map(Number)
  if (total === undefined || first === undefined || last === undefined)
    return damaged(`Content-Range ${shown(range)} came instead of ${wanted}N`)
  // The range is shorter than requested: the object ends there.
  const endsEarly = first === offset && last === total - 1 && last < offset + length - 1
  if (endsEarly && isNamed(question, headers)) return sizeProblem(total, objectLength ?? offset + length)
  if (first !== offset || last !== offset + length - 1 || total <= last)
    return damaged(`Content-Range ${shown(range)} came instead of ${wanted}N`)
  const version = versionProblem(question, headers)
  if (version !== undefined) return version
  return objectLength !== undefined && total !== objectLength ? sizeProblem(total, objectLength) : undefined
}

/**
 * Checks a response with status 200. A store may ignore the range, which is valid only if the range
 * is the whole object.
 */
function wholeProblem(question: RangeQuestion, headers: AnswerHeaders): RangeProblem | undefined {
  const { offset, length, objectLength } = question
  const announced = headers.get('content-length')
  const isWhole = offset === 0 && (question.inOneAnswer === true || objectLength === length)
  if (isWhole) {
    const version = versionProblem(question, headers)
    if (version !== undefined) return version
    const isOther = announced !== undefined && announced !== String(length)
    return isOther && headers.has('etag') ? sizeProblem(Number(announced), length) : undefined
  }
  const text = 'the response is the whole object instead of a range: the store or a proxy ignores Range'
  if (isNamed(question, headers)) return { kind: 'unproven', text }
  return damaged('the response is not the requested range')
}

function versionProblem(question: RangeQuestion, headers: AnswerHeaders): RangeProblem | undefined {
  const given = headers.get('etag')
  if (given === undefined || given === '') {
    if (question.inOneAnswer === true) return undefined
    const text = 'the response has no ETag, so the version of its bytes is unknown (does a proxy remove the header?)'
    return { kind: 'unproven', text }
  }
  if (question.etag === '*' || isVersion(given, question.etag)) return undefined
  const bare = bareEtag(given)
  const encoding = /^[-;](gzip|br|deflate|zstd)$/.exec(
    bare.startsWith(question.etag) ? bare.slice(question.etag.length).replace(/^--/, '-') : '',
  )
  if (encoding !== null)
    return damaged(
      `the ETag is ${shown(given)}: a proxy compresses responses (${encoding[1]}); configure it to pass them unchanged`,
    )
  return { kind: 'changed', text: `ETag ${shown(given)} came instead of ${shown(question.etag)}` }
}

function lengthProblem({ length }: RangeQuestion, headers: AnswerHeaders): RangeProblem | undefined {
  const announced = headers.get('content-length')
  if (announced === undefined || announced === String(length)) return undefined
  return damaged(`${shown(announced)} bytes announced instead of ${length}${encodingHint(headers)}`)
}

/** A hint for a message about a body with an unexpected length. */
export function encodingHint(headers: AnswerHeaders): string {
  const encoding = headers.get('content-encoding')
  if (encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity') return ''
  return `, with Content-Encoding ${shown(encoding)}: does a proxy compress the responses?`
}

function isNamed({ etag }: RangeQuestion, headers: AnswerHeaders): boolean {
  const given = headers.get('etag')
  return given !== undefined && isVersion(given, etag)
}

function sizeProblem(bytes: number, wanted: number): RangeProblem {
  return { kind: 'changed', text: `the object has ${bytes} bytes, but the store reported ${wanted} before` }
}

function damaged(text: string): RangeProblem {
  return { kind: 'damaged', text }
}

function shown(text: string | undefined): string {
  return text === undefined ? 'none' : JSON.stringify(text.slice(0, 80))
}
