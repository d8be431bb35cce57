// Why: a program that reads from a store by itself must not get the secrets of the cluster: it has
// secrets of its own. How: a file names them by namespace, in the words of `ns create --secret`.
// The definition of a namespace may name another endpoint tomorrow, so no secret is used for a
// namespace that the file does not name.
import { z } from 'zod'
import { namedNamespace } from '../../base/paths.ts'
import { SkeinError } from '../../base/errors.ts'
import { readSecretDocument } from '../../base/files/secret-file.ts'
import { secretBytesMax } from '../../base/secret.ts'

const schema = z.record(
  z.string().max(1024),
  z.record(z.string().max(1024), z.string().min(1, 'is empty').max(secretBytesMax, 'is too long')),
  'must be an object: {"namespace": {"secret": "value"}}',
)

/**
 * The secrets for a namespace in the file; none without a file. The file is read each time.
 * @throws SkeinError failed_precondition with one line
 */
export async function ownSecrets(
  path: string | undefined,
  namespace: string,
): Promise<Readonly<Record<string, string>>> {
  if (path === undefined) return {}
  const document = await readSecretDocument(path, (problem) => refusal(path, problem))
  const result = schema.safeParse(document)
  if (!result.success) {
    const [issue] = result.error.issues
    const at = issue?.path.map((step) => JSON.stringify(String(step).slice(0, 100))).join('.')
    throw refusal(path, `${at === undefined || at === '' ? 'the document' : at} ${issue?.message ?? 'is not valid'}`)
  }
  const name = namedNamespace(namespace)
  return (Object.hasOwn(result.data, name) ? result.data[name] : undefined) ?? {}
}

function refusal(path: string, problem: string): SkeinError {
  return new SkeinError('failed_precondition', `skein.user.origin.credentials.file: ${path} cannot be used: ${problem}`)
}
