// Why: who may use the doors is written in a file, which must be a secret. How: a JSON array of
// access keys; anything else, and a file that others may read, is refused with a message that names
// the file and the entry.
import { z } from 'zod'
import { SkeinError } from '../../base/errors.ts'
import { readSecretDocument } from '../../base/files/secret-file.ts'
import { Secret } from '../../base/secret.ts'
import type { Caller, Callers } from '../callers.ts'

const namespaceName = /^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,62})$/
const schema = z.array(
  z.strictObject({
    accessKeyId: z.string().regex(/^[A-Za-z0-9_.+=@-]{3,128}$/, 'must be 3 to 128 letters, digits or any of _.+=@-'),
    secretAccessKey: z.string().regex(/^[!-~]{8,256}$/, 'must be 8 to 256 printable characters'),
    namespaces: z
      .array(z.string().regex(namespaceName, 'must be the name of a namespace, or *'))
      .min(1, 'must name a namespace, or *')
      .max(10_000),
    access: z.enum(['read', 'write'], 'must be read or write'),
  }),
)

/** @throws SkeinError failed_precondition with one line */
export async function readCredentials(path: string): Promise<Callers> {
  const document = await readSecretDocument(path, (problem) => refusal(path, problem))
  const entries = parsed(path, document)
  const callers = new Map<string, Caller>()
  for (const { accessKeyId, secretAccessKey, namespaces, access } of entries) {
    if (callers.has(accessKeyId)) throw refusal(path, `the access key ${accessKeyId} is there twice`)
    const named = new Set(namespaces)
    callers.set(accessKeyId, {
      id: accessKeyId,
      secret: new Secret(secretAccessKey),
      may: (wanted, namespace) => (wanted === 'read' || access === 'write') && (named.has('*') || named.has(namespace)),
    })
  }
  if (callers.size === 0) throw refusal(path, 'it has no access keys, so nobody could use the gateway')
  return { withKey: (accessKeyId) => callers.get(accessKeyId) }
}

function parsed(path: string, value: unknown): z.infer<typeof schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const at = issue?.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')
  throw refusal(path, `${at === '' || at === undefined ? 'the document' : at} ${issue?.message ?? 'is not valid'}`)
}

function refusal(path: string, problem: string): SkeinError {
  return new SkeinError('failed_precondition', `skein.gateway.credentials.file: ${path} cannot be used: ${problem}`)
}
