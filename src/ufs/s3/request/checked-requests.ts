// Why: a response is parsed only after it is known to be a success. How: this file sends HEADs,
// ranges, which have no document, and the list of uploads, and trust/object-answers.ts parses them.
// The SDK would reject the whole list of uploads for one date in an unusual form. Requests that
// change something use the SDK (sdk-requests.ts). It is loaded on the first such request; it costs
// 36 MB and 0.2 s, which a process that only reads does not pay.
import type { StoreDocument } from './document-get.ts'
import type { ObjectRequests, ObjectWrites } from './write-requests.ts'
import { answerError, errorCodeOf, plainToTlsError, requestName, type StoreAddress } from '../../trust/s3-errors.ts'
import type { S3Options } from '../../store-options.ts'
import type { DocumentRequest, StoreRequests } from './store-requests.ts'
import { headAnswer, sizeOfFirstByte, uploadsOf } from '../../trust/object-answers.ts'

export function objectRequests(options: S3Options, address: StoreAddress, requests: StoreRequests): ObjectRequests {
  const { prefix } = options
  const send = async (request: DocumentRequest, signal: AbortSignal): Promise<StoreDocument> =>
    checked(address, request.what, await requests.document(request, signal))
  let loading: Promise<ObjectWrites> | undefined
  const writes = (): Promise<ObjectWrites> =>
    (loading ??= import('./sdk-requests.ts').then(({ sdkWrites }) => sdkWrites(options, address, send)))
  return {
    head: async (key, signal) => {
      const what = requestName('HEAD', key)
      return headAnswer((await send({ what, method: 'HEAD', key: prefix + key }, signal)).headers)
    },
    size: async (key, signal) => {
      const what = requestName('GET', key)
      const range = [['range', 'bytes=0-0']] as const
      const answer = await requests.document({ what, method: 'GET', key: prefix + key, headers: range }, signal)
      return sizeOfFirstByte(answer.status, answer.headers)
    },
    uploads: async (key, signal) => {
      const what = requestName('LIST UPLOADS', key)
      const query = { uploads: '', prefix: prefix + key, 'encoding-type': 'url' }
      return uploadsOf((await send({ what, method: 'GET', key: '', query }, signal)).text, prefix + key)
    },
    storeNowMs: () => requests.storeNowMs(),
    put: async (...request) => (await writes()).put(...request),
    beginUpload: async (...request) => (await writes()).beginUpload(...request),
    putPart: async (...request) => (await writes()).putPart(...request),
    completeUpload: async (...request) => (await writes()).completeUpload(...request),
    abortUpload: async (...request) => (await writes()).abortUpload(...request),
    copy: async (...request) => (await writes()).copy(...request),
    delete: async (...request) => (await writes()).delete(...request),
  }
}

/** Returns a successful response. S3 also reports failures with status 200, in a document. */
function checked(address: StoreAddress, what: string, answer: StoreDocument): StoreDocument {
  const { status, text } = answer
  const code = errorCodeOf(text)
  const isError = /^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/.test(text) || text.trimEnd().endsWith('</Error>')
  if (status >= 200 && status < 300 && status !== 206 && !isError) return answer
  throw plainToTlsError(address, what, status, text) ?? answerError(address, what, status, code)
}
