// Why: what a namespace may be defined as is checked before anything is asked of its store, and
// shared by all who look at a definition. Pure.
import { parseBytes } from '../../base/bytes.ts'
import { SkeinError } from '../../base/errors.ts'
import { checkNamespaceName } from '../../base/paths.ts'
import type { TtlAction } from '../../meta/meta-tables.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type { CreateNamespaceRequest, NamespaceInfo, UpdateNamespaceRequest } from '../../wire/generated/master.ts'

const secretLikeName = /secret|token|password|accesskey|userinfo/i
/** Of one namespace, names and values together: all namespaces must fit one answer. */
const attributeCharactersMax = 8192
export const namespacesMax = 2000
const blockSizeAttribute = 'fs.cosn.block.size'

interface NamespaceTtl {
  readonly ttlMs: number
  readonly action: TtlAction
}

/** Block size of new files of the namespace, in bytes. */
export function blockSizeOf(
  record: { readonly attributes: Readonly<Record<string, string>> },
  defaultBytes: number,
): number {
  const text = record.attributes[blockSizeAttribute]
  return text === undefined ? defaultBytes : parseBytes(text)
}

/** The name of the root mount is `/`. @throws SkeinError invalid_argument */
export function checkDefinition(request: Pick<CreateNamespaceRequest, 'name' | 'uri' | 'attributes'>): void {
  if (request.name !== '/') checkNamespaceName(request.name)
  checkUri(request.uri)
  for (const name of Object.keys(request.attributes)) {
    if (secretLikeName.test(name))
      throw new SkeinError('invalid_argument', `'${name}' is a secret: give it with --secret, not with --attribute`)
  }
  const characters = Object.entries(request.attributes).reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    0,
  )
  if (characters > attributeCharactersMax)
    throw new SkeinError(
      'invalid_argument',
      `the attributes have ${characters} characters, ${attributeCharactersMax} at most`,
    )
  namespacePolicy(request.attributes)
  if (blockSizeOf(request, 1) < 1) throw new SkeinError('invalid_argument', `${blockSizeAttribute} must be above 0`)
}

/** The text of a refused URI is not repeated where it may hold a secret. */
function checkUri(uri: string): void {
  const match = /^([a-z0-9]+):\/\/([^/]*)(\/.*)?$/.exec(uri)
  const [, scheme, authority, path] = match ?? []
  if (authority?.includes('@') === true)
    throw new SkeinError(
      'invalid_argument',
      'a namespace URI must not hold a user or a secret: give them with --secret',
    )
  if ((scheme === 'cosn' || scheme === 's3') && authority !== '') return
  if (scheme === 'file' && authority === '' && path !== undefined) return
  throw new SkeinError(
    'invalid_argument',
    `'${uri}' is not a namespace URI: use cosn://bucket-appid/prefix, s3://bucket/prefix or file:///dir`,
  )
}

/** The TTL of a new namespace. @throws SkeinError invalid_argument, failed_precondition */
export function ttlAsked({
  name,
  ttlMs = 0,
  ttlAction = '',
  attributes,
}: CreateNamespaceRequest): NamespaceTtl | undefined {
  const action = parseTtlAction(ttlAction)
  if (ttlMs === 0) {
    if (ttlAction !== '') throw new SkeinError('invalid_argument', 'a TTL action needs a TTL')
    return undefined
  }
  if (action === 'DELETE' && namespacePolicy(attributes).readOnly) throw deletesInReadOnly(name)
  return { ttlMs, action }
}

/**
 * The TTL that an update asks for: -1 for none; undefined when it stays. @throws SkeinError
 * invalid_argument
 */
export function changedTtl({ ttlMs, ttlAction }: UpdateNamespaceRequest, now: NamespaceInfo): NamespaceTtl | undefined {
  if (ttlMs === undefined && ttlAction === '') return undefined
  const action = parseTtlAction(ttlAction === '' ? now.ttlAction : ttlAction)
  const wantedMs = ttlMs ?? now.ttlMs
  if (wantedMs === 0 && ttlAction !== '') throw new SkeinError('invalid_argument', 'a TTL action needs a TTL')
  return { ttlMs: wantedMs === 0 ? -1 : wantedMs, action: wantedMs === 0 ? 'FREE' : action }
}

export function deletesInReadOnly(name: string): SkeinError {
  return new SkeinError('failed_precondition', `/${name.replace(/^\//, '')} is read-only: use the TTL action FREE`)
}

/** @throws SkeinError invalid_argument; an empty text is FREE */
export function parseTtlAction(text: string): TtlAction {
  if (text === 'FREE' || text === 'DELETE') return text
  if (text === '') return 'FREE'
  throw new SkeinError('invalid_argument', `'${text}' is not a TTL action: use FREE or DELETE`)
}
