// Why: errors of the file system reach clients as errors of S3. How: by reason, then by code; an
// error of the door itself (error-table.ts) has its code as its reason. Causes are logged, not
// sent.
import { assertNever } from '../../../base/assert.ts'
import type { SkeinError } from '../../../base/errors.ts'
import { element, group } from '../../../base/xml/xml-write.ts'
import { type S3ErrorCode, s3ErrorTable } from './error-table.ts'

export interface S3Answer {
  readonly code: S3ErrorCode
  readonly status: number
  readonly message: string
}

const messageCharactersMax = 1000

/** What a client is told of an error. */
export function s3AnswerOf(error: SkeinError): S3Answer {
  const own = error.reason !== undefined && Object.hasOwn(s3ErrorTable, error.reason)
  const code = own ? (error.reason as S3ErrorCode) : codeOf(error)
  const { status, message } = s3ErrorTable[code]
  // What an internal error says is for the log.
  const text = code === 'InternalError' ? message : error.message
  return { code, status, message: oneLine(text) }
}

function codeOf(error: SkeinError): S3ErrorCode {
  switch (error.code) {
    case 'invalid_argument':
      return 'InvalidArgument'
    case 'not_found':
      return 'NoSuchKey'
    case 'already_exists':
      return 'PreconditionFailed'
    case 'permission_denied':
    case 'unauthenticated':
      return 'AccessDenied'
    case 'failed_precondition':
      return error.reason === 'read_only' ? 'AccessDenied' : 'InvalidRequest'
    case 'resource_exhausted':
      return error.retryable ? 'SlowDown' : 'ServiceUnavailable'
    case 'aborted':
      return error.reason === 'file_changed' ? 'PreconditionFailed' : 'ConditionalRequestConflict'
    case 'unavailable':
    case 'deadline_exceeded':
    case 'cancelled':
      return 'ServiceUnavailable'
    case 'unimplemented':
      return 'NotImplemented'
    case 'data_loss':
    case 'internal':
      return 'InternalError'
    default:
      return assertNever(error.code)
  }
}

function oneLine(text: string): string {
  const line = text.toWellFormed().replace(/\s*[\r\n]+\s*/g, ' ')
  return line.slice(0, messageCharactersMax).toWellFormed()
}

/** The body of an error. @param resource the path of the request */
export function errorDocument({ code, message }: S3Answer, resource: string, requestId: string): string {
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    group(
      'Error',
      element('Code', code),
      element('Message', message),
      element('Resource', resource.toWellFormed()),
      element('RequestId', requestId),
    )
  )
}
