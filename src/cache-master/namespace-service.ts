// Why: namespaces are made, shown and deleted here. How: a definition is checked, its store is asked, its secrets are
// sealed, and only then it becomes a command; no answer but GetNamespaceAccess, for roles, holds a secret.
import { randomUUID } from 'node:crypto'
import { parseBytes } from '../base/bytes.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { checkNamespaceName } from '../base/paths.ts'
import { Secret } from '../base/secret.ts'
import { namespaceById, namespaceByName } from '../meta/resolve.ts'
import type { Inode, NamespaceRecord, Tables } from '../meta/tables.ts'
import type { CreateNamespaceRequest, NamespaceAccess, NamespaceInfo } from '../wire/generated/master.ts'
import { namespacePolicy } from '../ufs/store-options.ts'
import type { CallOptions } from '../wire/service.ts'
import { type MasterContext, namespaceNamed } from './master-context.ts'

/** Inodes that one command clears away. */
const clearedPerCommand = 5000
/** How long a new namespace's store may take to answer: less than callers wait, so that they hear who was silent. */
const checkMs = 20_000
const secretLikeName = /secret|token|password|accesskey|userinfo/i
export const blockSizeAttribute = 'fs.cosn.block.size'

export class NamespaceService {
  readonly #context: MasterContext

  constructor(context: MasterContext) {
    this.#context = context
  }

  /** @throws SkeinError invalid_argument, already_exists (another definition), and what the store says */
  async create(request: CreateNamespaceRequest, { signal }: CallOptions): Promise<NamespaceInfo> {
    checkDefinition(request)
    const existing = namespaceByName(this.#context.tables, request.name)
    if (existing !== undefined) return this.#existing(existing, request)
    const secrets = Object.fromEntries(Object.entries(request.secrets).map(([name, value]) => [name, new Secret(value)] as const))
    await this.#check({ uri: request.uri, attributes: { ...request.attributes }, secrets }, signal)
    const namespaceId = randomUUID()
    const sealed = Object.entries(secrets).map(
      ([field, secret]) => [field, this.#context.sealing.seal(namespaceId, field, secret)] as const,
    )
    try {
      await this.#context.log.submit({
        type: 'create_namespace',
        atMs: this.#context.clock.nowMs(),
        namespaceId,
        name: request.name,
        uri: request.uri,
        attributes: request.attributes,
        sealedSecrets: Object.fromEntries(sealed),
      })
    } catch (error) {
      const meanwhile = namespaceByName(this.#context.tables, request.name)
      if (meanwhile === undefined) throw error
      return this.#existing(meanwhile, request)
    }
    return infoOf(this.#context.tables, namespaceNamed(this.#context, request.name))
  }

  get(name: string): NamespaceInfo {
    return infoOf(this.#context.tables, namespaceNamed(this.#context, name.replace(/^\//, '')))
  }

  list(): NamespaceInfo[] {
    return sortedNamespaces(this.#context).map((record) => infoOf(this.#context.tables, record))
  }

  /** Gone at once; its files are cleared away piece by piece. */
  async delete(name: string): Promise<void> {
    const record = namespaceNamed(this.#context, name.replace(/^\//, ''))
    await this.#context.log.submit({ type: 'delete_namespace', atMs: this.#context.clock.nowMs(), namespaceId: record.id })
    this.#context.stores.drop(record.id)
    await this.clearDetached()
  }

  /** Clears away what deleted namespaces left; also after a restart in the middle of it. */
  async clearDetached(): Promise<void> {
    for (;;) {
      const { changed } = await this.#context.log.submit({
        type: 'clear_detached',
        atMs: this.#context.clock.nowMs(),
        limit: clearedPerCommand,
      })
      if (changed < clearedPerCommand) return
    }
  }

  /** The definition with its secrets in clear: for roles only. @throws SkeinError not_found */
  access(namespaceId: string): NamespaceAccess {
    const record = namespaceById(this.#context.tables, namespaceId)
    if (record === undefined) throw new SkeinError('not_found', 'the namespace does not exist any more')
    const { uri, attributes, secrets } = this.#context.stores.accessOf(record)
    const clear = Object.entries(secrets).map(([field, secret]) => [field, secret.reveal()] as const)
    return { namespaceId, name: record.name, uri, attributes, secrets: Object.fromEntries(clear), version: record.version }
  }

  #existing(record: NamespaceRecord, request: CreateNamespaceRequest): NamespaceInfo {
    const { uri, attributes, secrets } = this.#context.stores.accessOf(record)
    const revealed = Object.fromEntries(Object.entries(secrets).map(([field, secret]) => [field, secret.reveal()] as const))
    const equal = uri === request.uri && sameEntries(attributes, request.attributes) && sameEntries(revealed, request.secrets)
    if (equal) return infoOf(this.#context.tables, record)
    throw new SkeinError(
      'already_exists',
      `namespace '${record.name}' exists already with another definition: delete it first, or take another name`,
    )
  }

  async #check(
    access: { uri: string; attributes: Record<string, string>; secrets: Record<string, Secret> },
    signal: AbortSignal,
  ): Promise<void> {
    const late = new AbortController()
    const silent = `${access.attributes['s3.endpoint'] ?? access.uri} gave no answer within ${checkMs / 1000} s: check the endpoint and the network`
    const cancelTimer = this.#context.clock.schedule(checkMs, () => {
      late.abort(new SkeinError('deadline_exceeded', silent, { retryable: false }))
    })
    try {
      const store = await this.#context.stores.openOnce(access)
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
}

/** In the order of their names. */
export function sortedNamespaces(context: MasterContext): NamespaceRecord[] {
  return [...context.tables.namespaces()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Block size of new files of the namespace, in bytes. */
export function blockSizeOf(record: { readonly attributes: Readonly<Record<string, string>> }, defaultBytes: number): number {
  const text = record.attributes[blockSizeAttribute]
  return text === undefined ? defaultBytes : parseBytes(text)
}

function infoOf(tables: Tables, record: NamespaceRecord): NamespaceInfo {
  return {
    namespaceId: record.id,
    name: record.name,
    uri: record.uri,
    attributes: { ...record.attributes },
    secretNames: Object.keys(record.sealedSecrets).sort(),
    createdMs: record.createdMs,
    ...ttlOf(tables.inode(record.rootId)),
  }
}

function ttlOf(root: Inode | undefined): { ttlMs: number; ttlAction: string } {
  if (root?.kind !== 'directory') return { ttlMs: 0, ttlAction: 'FREE' }
  return { ttlMs: Math.max(0, root.ttlMs), ttlAction: root.ttlAction }
}

function checkDefinition(request: CreateNamespaceRequest): void {
  checkNamespaceName(request.name)
  checkUri(request.uri)
  for (const name of Object.keys(request.attributes)) {
    if (secretLikeName.test(name))
      throw new SkeinError('invalid_argument', `'${name}' is a secret: give it with --secret, not with --attribute`)
  }
  namespacePolicy(request.attributes)
  if (blockSizeOf(request, 1) < 1) throw new SkeinError('invalid_argument', `${blockSizeAttribute} must be above 0`)
}

/** The text of a refused URI is not repeated where it may hold a secret. */
function checkUri(uri: string): void {
  const match = /^([a-z0-9]+):\/\/([^/]*)(\/.*)?$/.exec(uri)
  const [, scheme, authority, path] = match ?? []
  if (authority?.includes('@') === true)
    throw new SkeinError('invalid_argument', 'a namespace URI must not hold a user or a secret: give them with --secret')
  if ((scheme === 'cosn' || scheme === 's3') && authority !== '') return
  if (scheme === 'file' && authority === '' && path !== undefined) return
  throw new SkeinError(
    'invalid_argument',
    `'${uri}' is not a namespace URI: write cosn://bucket-appid/prefix, s3://bucket/prefix or file:///dir`,
  )
}

/** The same error with every spelling of the secrets' values taken out of its text, and without its cause. */
function withoutSecrets(error: SkeinError, secrets: readonly Secret[]): SkeinError {
  let { message } = error
  for (const secret of secrets) {
    const value = secret.reveal()
    if (value === '') continue
    const spellings = [value, encodeURIComponent(value), Buffer.from(value).toString('base64'), Buffer.from(value).toString('base64url')]
    for (const spelling of spellings) message = message.replaceAll(spelling, '[redacted]')
  }
  return new SkeinError(error.code, message, { reason: error.reason, retryable: error.retryable })
}

function sameEntries(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
