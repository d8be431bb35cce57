// Why: clients of WebHDFS tell errors apart by the name of a Java class, and throw that class
// again. How: one table of the classes, and a mapping from the errors of the file system. An error
// of the door itself has the simple name of its class as its reason. Causes are logged, not sent.
import { assertNever } from '../../../base/assert.ts'
import { type ErrorCode, SkeinError } from '../../../base/errors.ts'

interface HadoopException {
  readonly javaClassName: string
  /** As Hadoop's servers answer. */
  readonly status: number
  readonly code: ErrorCode
}

export const hadoopExceptions = {
  FileNotFoundException: { javaClassName: 'java.io.FileNotFoundException', status: 404, code: 'not_found' },
  IOException: { javaClassName: 'java.io.IOException', status: 403, code: 'failed_precondition' },
  AccessControlException: {
    javaClassName: 'org.apache.hadoop.security.AccessControlException',
    status: 403,
    code: 'permission_denied',
  },
  FileAlreadyExistsException: {
    javaClassName: 'org.apache.hadoop.fs.FileAlreadyExistsException',
    status: 403,
    code: 'already_exists',
  },
  PathIsNotEmptyDirectoryException: {
    javaClassName: 'org.apache.hadoop.fs.PathIsNotEmptyDirectoryException',
    status: 403,
    code: 'failed_precondition',
  },
  ParentNotDirectoryException: {
    javaClassName: 'org.apache.hadoop.fs.ParentNotDirectoryException',
    status: 403,
    code: 'failed_precondition',
  },
  InvalidPathException: {
    javaClassName: 'org.apache.hadoop.fs.InvalidPathException',
    status: 400,
    code: 'invalid_argument',
  },
  RetriableException: { javaClassName: 'org.apache.hadoop.ipc.RetriableException', status: 403, code: 'unavailable' },
  StandbyException: { javaClassName: 'org.apache.hadoop.ipc.StandbyException', status: 403, code: 'unavailable' },
  IllegalArgumentException: {
    javaClassName: 'java.lang.IllegalArgumentException',
    status: 400,
    code: 'invalid_argument',
  },
  UnsupportedOperationException: {
    javaClassName: 'java.lang.UnsupportedOperationException',
    status: 400,
    code: 'unimplemented',
  },
  RuntimeException: { javaClassName: 'java.lang.RuntimeException', status: 500, code: 'internal' },
} as const satisfies Readonly<Record<string, HadoopException>>

export type HadoopExceptionName = keyof typeof hadoopExceptions

export interface HadoopAnswer {
  readonly exception: HadoopExceptionName
  readonly status: number
  readonly message: string
}

const messageCharactersMax = 1000

/** An error of the door. */
export function hadoopError(exception: HadoopExceptionName, message: string): SkeinError {
  return new SkeinError(hadoopExceptions[exception].code, message, { reason: exception })
}

/** An error of a parameter, in the words of Hadoop, which its clients look for. */
export function parameterError(name: string, problem: string): SkeinError {
  return hadoopError('IllegalArgumentException', `Invalid value for webhdfs parameter "${name}": ${problem}`)
}

/** What a client is told of an error. */
export function hadoopAnswerOf(error: SkeinError): HadoopAnswer {
  const own = error.reason !== undefined && Object.hasOwn(hadoopExceptions, error.reason)
  const exception = own ? (error.reason as HadoopExceptionName) : exceptionOf(error)
  return { exception, status: hadoopExceptions[exception].status, message: messageOf(exception, error) }
}

/** The body of an error. */
export function remoteException({ exception, message }: HadoopAnswer): string {
  const { javaClassName } = hadoopExceptions[exception]
  return JSON.stringify({ RemoteException: { exception, javaClassName, message } })
}

function exceptionOf(error: SkeinError): HadoopExceptionName {
  switch (error.code) {
    case 'invalid_argument':
      return 'IllegalArgumentException'
    case 'not_found':
      return 'FileNotFoundException'
    case 'already_exists':
      return 'FileAlreadyExistsException'
    case 'permission_denied':
    case 'unauthenticated':
      return 'AccessControlException'
    case 'failed_precondition':
      return error.reason === 'read_only' ? 'AccessControlException' : 'IOException'
    case 'resource_exhausted':
      return error.retryable ? 'RetriableException' : 'IOException'
    case 'unavailable':
      return error.reason === 'stopping' ? 'StandbyException' : 'RetriableException'
    case 'aborted':
    case 'deadline_exceeded':
    case 'cancelled':
      return 'RetriableException'
    case 'unimplemented':
      return 'UnsupportedOperationException'
    case 'data_loss':
      return 'IOException'
    case 'internal':
      return 'RuntimeException'
    default:
      return assertNever(error.code)
  }
}

function messageOf(exception: HadoopExceptionName, { message }: SkeinError): string {
  // What an internal error says is for the log.
  if (exception === 'RuntimeException') return 'The gateway met an internal error; its log has more.'
  const line = message.toWellFormed().replace(/\s*[\r\n]+\s*/g, ' ')
  const text = line.slice(0, messageCharactersMax).toWellFormed()
  // Clients with a list of servers go to the next one when the message ends so.
  return exception === 'StandbyException' ? `${text}: StandbyException` : text
}
