// Why: bytes are only data when the answer they came in proves what they are. How: one pure
// function that holds the head of an answer to a range GET against the question. An answer that is
// joined to others must name its version; one that is the whole object by itself is one version
// whatever it says. docs/store-trust.md says each rule in words.
import type { AnswerHeaders } from '../transport/http-head.ts'

export interface RangeQuestion {
  readonly offset: number
  readonly length: number
  /** Without quotes. */
  readonly etag: string
  /** Bytes of the whole object, where they are known. */
  readonly objectLength?: number | undefined
  /** These bytes are the whole object, and no other answer's bytes are put beside them. */
  readonly inOneAnswer?: boolean | undefined
}

/**
 * `damaged`: may be right at the next attempt, and is final when it stays. `changed`: another
 * version, or another size. `unproven`: no attempt will mend it, but the object may be read in one
 * answer.
 */
export interface RangeProblem {
  readonly kind: 'damaged' | 'changed' | 'unproven'
  readonly text: string
}

/**
 * What is wrong with the head of an answer of status 200 or 206; undefined when its body is what
 * was asked for.
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

/**
 * An ETag as the house writes it: without quotes, and without the mark of a proxy that made it
 * weak.
 */
export function bareEtag(text: string): string {
  return text.replace(/^W\//, '').replace(/^"|"$/g, '')
}

/** Whether an ETag of an answer names the wanted version. */
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
  // A shorter range than was asked for: the object ends there.
  const endsEarly = first === offset && last === total - 1 && last < offset + length - 1
  if (endsEarly && isNamed(question, headers)) return sizeProblem(total, objectLength ?? offset + length)
  if (first !== offset || last !== offset + length - 1 || total <= last)
    return damaged(`Content-Range ${shown(range)} came instead of ${wanted}N`)
  const version = versionProblem(question, headers)
  if (version !== undefined) return version
  return objectLength !== undefined && total !== objectLength ? sizeProblem(total, objectLength) : undefined
}

/**
 * A store may ignore the range; that is what was asked for only where the range is the whole
 * object.
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
  const text = 'the whole object came instead of a range: something on the way ignores Range'
  if (isNamed(question, headers)) return { kind: 'unproven', text }
  return damaged('the answer is not the range that was asked for')
}

function versionProblem(question: RangeQuestion, headers: AnswerHeaders): RangeProblem | undefined {
  const given = headers.get('etag')
  if (given === undefined || given === '') {
    if (question.inOneAnswer === true) return undefined
    const text =
      'the answer has no ETag, so it does not prove which version its bytes are of (does a proxy remove the header?)'
    return { kind: 'unproven', text }
  }
  if (question.etag === '*' || isVersion(given, question.etag)) return undefined
  const bare = bareEtag(given)
  const encoding = /^[-;](gzip|br|deflate|zstd)$/.exec(
    bare.startsWith(question.etag) ? bare.slice(question.etag.length).replace(/^--/, '-') : '',
  )
  if (encoding !== null)
    return damaged(
      `ETag ${shown(given)} came: a proxy compresses the answers (${encoding[1]}); let it pass them as they are`,
    )
  return { kind: 'changed', text: `ETag ${shown(given)} came instead of ${shown(question.etag)}` }
}

function lengthProblem({ length }: RangeQuestion, headers: AnswerHeaders): RangeProblem | undefined {
  const announced = headers.get('content-length')
  if (announced === undefined || announced === String(length)) return undefined
  return damaged(`${shown(announced)} bytes announced instead of ${length}${encodingHint(headers)}`)
}

/** What to add to a message about a body of another length than was asked for. */
export function encodingHint(headers: AnswerHeaders): string {
  const encoding = headers.get('content-encoding')
  if (encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity') return ''
  return `, with Content-Encoding ${shown(encoding)}: does a proxy compress the answers?`
}

function isNamed({ etag }: RangeQuestion, headers: AnswerHeaders): boolean {
  const given = headers.get('etag')
  return given !== undefined && isVersion(given, etag)
}

function sizeProblem(bytes: number, wanted: number): RangeProblem {
  return { kind: 'changed', text: `the object has ${bytes} bytes and not the ${wanted} that the store said before` }
}

function damaged(text: string): RangeProblem {
  return { kind: 'damaged', text }
}

function shown(text: string | undefined): string {
  return text === undefined ? 'none' : JSON.stringify(text.slice(0, 80))
}
