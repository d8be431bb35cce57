// Why: a namespace is defined only with a store that answers, and no message about its definition
// may show a secret. How: the store is opened once and asked, with a limit of time; what it says is
// given on with the values of the secrets taken out.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { redactSecrets } from '../../base/redact.ts'
import { type Secret, secretBytesMax } from '../../base/secret.ts'
import type { MasterContext } from '../master-context.ts'

/**
 * How long a new namespace's store may take to answer: less than callers wait, so that they hear
 * who was silent.
 */
const checkMs = 20_000

/** @throws SkeinError what the store says, or deadline_exceeded when it is silent */
export async function checkStore(
  context: Pick<MasterContext, 'clock' | 'stores'>,
  access: { uri: string; attributes: Record<string, string>; secrets: Record<string, Secret> },
  signal: AbortSignal,
): Promise<void> {
  const late = new AbortController()
  const endpoint = access.attributes['s3.endpoint'] ?? access.uri
  const silent = `${endpoint} gave no answer within ${checkMs / 1000} s: check the endpoint and the network`
  const cancelTimer = context.clock.schedule(checkMs, () => {
    late.abort(new SkeinError('deadline_exceeded', silent, { retryable: false }))
  })
  try {
    const store = await context.stores.openOnce(access)
    try {
      await store.check(AbortSignal.any([signal, late.signal]))
    } finally {
      cancelTimer()
      await store.close()
    }
  } catch (thrown) {
    throw withoutSecrets(toSkeinError(late.signal.aborted ? late.signal.reason : thrown), Object.values(access.secrets))
  }
}

/** @throws SkeinError invalid_argument that never shows a value */
export function checkSecrets(secrets: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(secrets)) {
    const bytes = Buffer.byteLength(value)
    if (bytes > secretBytesMax)
      throw new SkeinError('invalid_argument', `the secret '${name}' has ${bytes} bytes: ${secretBytesMax} at most`)
  }
}

/**
 * The same error with every spelling of the secrets' values taken out of its text, and without its
 * cause.
 */
function withoutSecrets(error: SkeinError, secrets: readonly Secret[]): SkeinError {
  const message = redactSecrets(
    error.message,
    secrets.map((secret) => secret.reveal()),
  )
  return new SkeinError(error.code, message, { reason: error.reason, retryable: error.retryable })
}
