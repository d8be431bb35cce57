// Why: an answer is read only once it is known to be a good one, whoever reads it. How: HEADs and
// ranges, which have no document, and the list of uploads, in which one date of an odd form would
// cost the SDK the whole list, are asked and read here, by trust/object-answers.ts. What changes
// something goes by the SDK (sdk-requests.ts): it is loaded with the first such request, 36 MB and
// 0.2 s that a process which only reads does not pay.
import type { StoreDocument } from './document-get.ts'
import type { ObjectRequests, ObjectWrites } from './object-requests.ts'
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

/**
 * The answer, where it is a good one. S3 also tells of failures under status 200, in a document.
 */
function checked(address: StoreAddress, what: string, answer: StoreDocument): StoreDocument {
  const { status, text } = answer
  const code = errorCodeOf(text)
  const isError = /^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/.test(text) || text.trimEnd().endsWith('</Error>')
  if (status >= 200 && status < 300 && status !== 206 && !isError) return answer
  throw plainToTlsError(address, what, status, text) ?? answerError(address, what, status, code)
}
