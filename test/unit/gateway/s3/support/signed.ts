// Why: the tests of signatures use the examples that AWS publishes. How: its key, and the parts of
// a request as the door sees them.
import { Secret } from '../../../../../src/base/secret.ts'
import type { Caller, Callers } from '../../../../../src/gateway/callers.ts'
import { HeaderFields } from '../../../../../src/gateway/s3/request/header-fields.ts'
import { QueryFields } from '../../../../../src/gateway/s3/request/query-fields.ts'

export const exampleKey = 'AKIAIOSFODNN7EXAMPLE'
export const exampleSecret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
/** 20130524T000000Z */
export const exampleMs = Date.UTC(2013, 4, 24)

export const exampleCaller: Caller = { id: exampleKey, secret: new Secret(exampleSecret), may: () => true }
export const exampleCallers: Callers = { withKey: (id) => (id === exampleKey ? exampleCaller : undefined) }

export interface RequestParts {
  readonly method: string
  readonly path: string
  readonly query: QueryFields
  readonly headers: HeaderFields
}

export function requestParts(method: string, url: string, headers: Readonly<Record<string, string>>): RequestParts {
  const [path = '', query = ''] = url.split('?')
  return { method, path, query: new QueryFields(query), headers: new HeaderFields(Object.entries(headers).flat()) }
}

/** The S3 code of the error. */
export function codeOf(run: () => unknown): string | undefined {
  try {
    run()
    return 'no error'
  } catch (thrown) {
    return (thrown as { readonly reason?: string }).reason ?? String(thrown)
  }
}
