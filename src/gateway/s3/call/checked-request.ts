// Why: nothing of a request counts before it was found to be from its sender, to be supported, and
// to be allowed. How: a pure function from the head of a request to what the rest of the door works
// with. The signature is checked first: who may not ask learns nothing from the other refusals.
import { Secret } from '../../../base/secret.ts'
import type { Caller, Callers } from '../../callers.ts'
import { s3Error } from '../answer/error-table.ts'
import { bodyForm, type BodyPlan, withChecksum } from '../body/body-plan.ts'
import { HeaderFields } from '../request/header-fields.ts'
import { checkHeaders } from '../request/header-rules.ts'
import { type RequestTarget, targetOf } from '../request/object-address.ts'
import { type Operation, operationOf } from '../request/operations.ts'
import { QueryFields } from '../request/query-fields.ts'
import { claimOf } from '../signature/signature-claim.ts'
import type { SigningKeys } from '../signature/signing-keys.ts'
import { type SignatureSeed, verified } from '../signature/verification.ts'

export interface RequestHead {
  readonly method: string
  readonly url: string
  readonly host: string | undefined
  /** Name, value, name, value, ... */
  readonly rawHeaders: readonly string[]
}

export interface Checks {
  /** In lower case. */
  readonly domains: readonly string[]
  /** Undefined: everybody may do everything. */
  readonly callers: Callers | undefined
  readonly keys: SigningKeys
  readonly nowMs: number
}

export interface CheckedRequest {
  readonly target: RequestTarget
  readonly query: QueryFields
  /** With the fields of the query that stand for headers. */
  readonly headers: HeaderFields
  readonly operation: Operation
  readonly plan: BodyPlan
  readonly caller: Caller
  /** Undefined: signatures are not checked. */
  readonly seed: SignatureSeed | undefined
}

/** Operations whose body must not be left out by mistake. */
const bodies: ReadonlySet<Operation> = new Set<Operation>(['PutObject', 'UploadPart'])

const anybody: Caller = { id: 'anonymous', secret: new Secret(''), may: () => true }

/** @throws S3 errors of every part of a request's head */
export function checkedRequest(head: RequestHead, { domains, callers, keys, nowMs }: Checks): CheckedRequest {
  const { method } = head
  const target = targetOf(head.url, head.host, domains)
  const query = new QueryFields(target.query)
  const sent = new HeaderFields(head.rawHeaders)
  const headers = sent.withQuery(query)
  const claim = callers === undefined ? undefined : claimOf(sent, query)
  if (callers !== undefined && claim === undefined) throw s3Error('AccessDenied', 'Requests must be signed.')
  const form = bodyForm(headers, claim)
  const parts = { method, path: target.path, query, headers: sent, payloadHash: form.payloadHash }
  const signed = callers === undefined || claim === undefined ? undefined : verified(claim, parts, callers, keys, nowMs)
  if (signed !== undefined && headers.has('x-amz-security-token'))
    throw s3Error('InvalidToken', 'Temporary credentials are not implemented: leave out the security token.')
  const caller = signed?.caller ?? anybody
  const { operation, reads } = operationOf(method, target, query, headers)
  checkHeaders(operation, reads, headers)
  if (target.bucket !== '' && !caller.may(reads ? 'read' : 'write', target.bucket)) throw s3Error('AccessDenied')
  const hasLength = form.contentBytes !== undefined || headers.has('transfer-encoding')
  if (bodies.has(operation) && !hasLength) throw s3Error('MissingContentLength')
  // There a checksum is that of the object, not of the request.
  const ofObject = operation === 'CompleteMultipartUpload'
  const plan = ofObject ? { ...form, checksum: undefined } : withChecksum(form, headers)
  return { target, query, headers, operation, plan, caller, seed: signed?.seed }
}
