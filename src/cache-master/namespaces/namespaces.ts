// Why: namespaces are made, shown, changed and deleted here. How: a definition is checked, its
// store is asked (namespace-checks.ts), its secrets are sealed, and only then it becomes a command;
// no answer but GetNamespaceAccess, for roles, holds a secret.
import { randomUUID } from 'node:crypto'
import { SkeinError } from '../../base/errors.ts'
import { isHiddenKey, namedNamespace } from '../../base/paths.ts'
import { Secret } from '../../base/secret.ts'
import type { UpdateNamespace } from '../../meta/commands/commands.ts'
import { namespaceById, namespaceByName, placeOf, rootMount } from '../../meta/resolve-path.ts'
import { type Inode, type NamespaceRecord, type Tables, toPersistParentId } from '../../meta/meta-tables.ts'
import type { SetTtlRequest } from '../../wire/generated/lifecycle.ts'
import type {
  CreateNamespaceRequest,
  NamespaceAccess,
  NamespaceAccessRequest,
  NamespaceInfo,
  NamespaceRequest,
  UpdateNamespaceRequest,
} from '../../wire/generated/master.ts'
import { mayBeOtherStore } from '../../ufs/store-keys.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type { CallOptions } from '../../wire/service.ts'
import { lostSecretsOf } from '../state/lost-secrets.ts'
import { type MasterContext, namespaceNamed, noRootMount, placeAt, sortedNamespaces } from '../master-context.ts'
import {
  changedTtl,
  checkDefinition,
  deletesInReadOnly,
  ttlAsked,
  namespacesMax,
} from '../store/namespace-definition.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { treePages } from '../paths/tree-pages.ts'
import type { DetachedClearing } from '../files/detached-clearing.ts'
import { checkSecrets, checkStore } from './namespace-checks.ts'

/** Inodes that are looked at in one turn of the event loop. */
const filesPerTurn = 1000
/** How long the store of the root mount is asked what a new namespace hides. */
const hiddenLookMs = 2000

export class NamespaceService {
  readonly #context: MasterContext
  readonly #clearing: DetachedClearing
  readonly #locator: Pick<PathLocator, 'locate'>

  constructor(context: MasterContext, clearing: DetachedClearing, locator: Pick<PathLocator, 'locate'>) {
    this.#context = context
    this.#clearing = clearing
    this.#locator = locator
  }

  /**
   * @throws SkeinError invalid_argument, already_exists (another definition), and what the store
   *   says
   */
  async create(
    request: CreateNamespaceRequest & Pick<NamespaceRecord, 'inHome'>,
    { signal }: Pick<CallOptions, 'signal'>,
  ): Promise<NamespaceInfo> {
    checkDefinition(request)
    checkSecrets(request.secrets)
    const ttl = ttlAsked(request)
    const name = request.name.replace(/^\/$/, '')
    const existing = namespaceByName(this.#context.tables, name)
    if (existing !== undefined) return this.#existing(existing, request)
    if ([...this.#context.tables.namespaces()].length >= namespacesMax)
      throw new SkeinError('resource_exhausted', `there are ${namespacesMax} namespaces already: delete one first`)
    const secrets = Object.fromEntries(
      Object.entries(request.secrets).map(([field, value]) => [field, new Secret(value)] as const),
    )
    await checkStore(this.#context, { uri: request.uri, attributes: { ...request.attributes }, secrets }, signal)
    const hides = await this.#hides(name, signal)
    const namespaceId = randomUUID()
    const sealed = Object.entries(secrets).map(
      ([field, secret]) => [field, this.#context.sealing.seal(namespaceId, field, secret)] as const,
    )
    try {
      await this.#context.log.submit({
        type: 'create_namespace',
        atMs: this.#context.clock.nowMs(),
        namespaceId,
        name,
        uri: request.uri,
        attributes: request.attributes,
        sealedSecrets: Object.fromEntries(sealed),
        ...(ttl === undefined ? {} : { ttl }),
        ...(request.inHome === true && { inHome: true }),
      })
    } catch (error) {
      const meanwhile = namespaceByName(this.#context.tables, name)
      if (meanwhile === undefined) throw error
      return this.#existing(meanwhile, request)
    }
    const created = infoOf(this.#context.tables, namespaceNamed(this.#context, name))
    return hides ? { ...created, hides } : created
  }

  /** Whether a new namespace would hide something of the root mount, as far as that can be told. */
  async #hides(name: string, signal: AbortSignal): Promise<boolean> {
    const root = rootMount(this.#context.tables)
    if (root === undefined || name === '') return false
    const late = new AbortController()
    const cancelTimer = this.#context.clock.schedule(hiddenLookMs, () => late.abort())
    try {
      await this.#locator.locate({ record: root, key: name }, AbortSignal.any([signal, late.signal]))
      return true
    } catch {
      return false
    } finally {
      cancelTimer()
    }
  }

  /** The namespace of a name, or that which has a path. @throws SkeinError not_found */
  get({ name, path }: NamespaceRequest): NamespaceInfo {
    const { tables } = this.#context
    const record = path === undefined ? this.#named(name) : placeAt(this.#context, path, noRootMount).record
    return infoOf(tables, record)
  }

  /** @throws SkeinError not_found, invalid_argument: the root mount is not meant by accident */
  #named(name: string): NamespaceRecord {
    if (name === '') throw new SkeinError('invalid_argument', 'a namespace has a name; that of the root mount is /')
    return namespaceNamed(this.#context, name)
  }

  list(): NamespaceInfo[] {
    return sortedNamespaces(this.#context).map((record) => infoOf(this.#context.tables, record))
  }

  /**
   * What is not given stays. Files that are cached stay, too.
   * @param setTtl of the namespace's path
   * @throws SkeinError not_found, invalid_argument, aborted (changed by somebody else meanwhile),
   *   and what the store says
   */
  async update(
    request: UpdateNamespaceRequest,
    setTtl: (request: SetTtlRequest, options: CallOptions) => Promise<unknown>,
    options: CallOptions,
  ): Promise<NamespaceInfo> {
    const record = this.#named(request.name)
    const access = this.#context.stores.accessOf(record, Object.keys(request.secrets))
    const attributes = { ...access.attributes, ...request.attributes }
    for (const name of request.removedAttributes) {
      if (request.attributes[name] !== undefined)
        throw new SkeinError('invalid_argument', `'${name}' is both set and removed`)
      if (attributes[name] === undefined)
        throw new SkeinError('invalid_argument', `/${record.name} has no attribute '${name}'`)
      delete attributes[name]
    }
    const given = Object.entries(request.secrets).map(([field, value]) => [field, new Secret(value)] as const)
    checkDefinition({ name: namedNamespace(record.name), uri: record.uri, attributes })
    checkSecrets(request.secrets)
    const ttl = changedTtl(request, infoOf(this.#context.tables, record))
    const action = ttl?.action ?? infoOf(this.#context.tables, record).ttlAction
    const deletes = action === 'DELETE' && (ttl?.ttlMs ?? infoOf(this.#context.tables, record).ttlMs) > 0
    if (deletes && namespacePolicy(attributes).readOnly) throw deletesInReadOnly(record.name)
    const isChanged = given.length > 0 || !sameEntries(attributes, access.attributes)
    if (isChanged) {
      await checkStore(
        this.#context,
        { uri: record.uri, attributes, secrets: { ...access.secrets, ...Object.fromEntries(given) } },
        options.signal,
      )
      const sealed = given.map(
        ([field, secret]) => [field, this.#context.sealing.seal(record.id, field, secret)] as const,
      )
      await this.#redefine(record, options.signal, {
        ...{
          type: 'update_namespace',
          atMs: this.#context.clock.nowMs(),
          namespaceId: record.id,
          version: record.version,
          attributes,
        },
        sealedSecrets: { ...record.sealedSecrets, ...Object.fromEntries(sealed) },
        ...(mayBeOtherStore(access.attributes, attributes) && { otherStore: true }),
      })
    }
    if (ttl !== undefined) await setTtl({ path: `/${record.name}`, ...ttl }, options)
    const waitingFiles = namespacePolicy(attributes).readOnly ? await this.#filesToPersist(record, options.signal) : 0
    return {
      ...infoOf(this.#context.tables, namespaceNamed(this.#context, record.name)),
      ...(waitingFiles > 0 && { waitingFiles }),
    }
  }

  /** By the time it returns nobody goes by the definition before. */
  async #redefine(record: NamespaceRecord, signal: AbortSignal, command: UpdateNamespace): Promise<void> {
    const { log, changes, stores, holders, persistProblems } = this.#context
    const turn = await changes.turn(record, '', signal)
    try {
      await log.submit(command)
      stores.follow(record.id)
      persistProblems.retry()
    } finally {
      turn.release()
    }
    await holders.untilAllHave(record.id, record.version + 1, signal)
  }

  /** Files of the namespace that would be persisted without anybody asking. */
  async #filesToPersist(record: NamespaceRecord, signal: AbortSignal): Promise<number> {
    const { tables, clock } = this.#context
    let files = 0
    for (let after = ''; ;) {
      let seen = 0
      for (const { name, inodeId } of tables.edges(toPersistParentId, after)) {
        const file = name === after ? undefined : tables.inode(inodeId)
        if (file?.kind === 'file' && !file.persisted && placeOf(tables, file)?.record.id === record.id) files += 1
        after = name
        if ((seen += 1) >= filesPerTurn) break
      }
      if (seen < filesPerTurn) return files
      await clock.sleep(0, signal)
    }
  }

  /**
   * Gone at once; its files are cleared away piece by piece.
   * @throws SkeinError not_found, failed_precondition when it holds files that the store has not,
   *   unless `force`
   */
  async delete(request: NamespaceRequest, { signal }: CallOptions): Promise<void> {
    const record = this.#named(request.name)
    if (request.force !== true) {
      let unpersisted = 0
      // What other namespaces hide is lost, too.
      for await (const page of treePages(this.#context, record.rootId, '', signal, true))
        unpersisted += page.filter(({ key, file }) => file?.persisted === false && !isHiddenKey(key)).length
      if (unpersisted > 0) {
        const files = unpersisted === 1 ? '1 file' : `${unpersisted} files`
        const how = `persist first ('fs persist /${record.name}'), or lose them with --force`
        const message = `/${record.name} holds ${files} that the store has not: ${how}`
        throw new SkeinError('failed_precondition', message)
      }
    }
    await this.#context.log.submit({
      type: 'delete_namespace',
      atMs: this.#context.clock.nowMs(),
      namespaceId: record.id,
    })
    this.#context.stores.follow(record.id)
    await this.#context.holders.untilAllHave(record.id, Number.POSITIVE_INFINITY, signal)
    await this.#clearing.run()
  }

  /**
   * The definition with its secrets in clear, which are for roles only. `holderId` goes by it from
   * now on. @throws SkeinError not_found
   */
  access({ namespaceId, holderId = '', withoutSecrets = false }: NamespaceAccessRequest): NamespaceAccess {
    const record = namespaceById(this.#context.tables, namespaceId)
    if (record === undefined) throw new SkeinError('not_found', 'the namespace does not exist any more')
    const known = Object.keys(record.sealedSecrets)
    const { uri, attributes, secrets } = this.#context.stores.accessOf(record, withoutSecrets ? known : [])
    const clear = Object.entries(secrets).map(([field, secret]) => [field, secret.reveal()] as const)
    const leaseMs = holderId === '' ? 0 : this.#context.holders.grant(namespaceId, holderId, record.version)
    return {
      namespaceId,
      name: record.name,
      uri,
      attributes,
      secrets: Object.fromEntries(clear),
      version: record.version,
      leaseMs,
    }
  }

  #existing(record: NamespaceRecord, request: CreateNamespaceRequest): NamespaceInfo {
    const { uri, attributes, secrets } = this.#context.stores.accessOf(record)
    const revealed = Object.fromEntries(
      Object.entries(secrets).map(([field, secret]) => [field, secret.reveal()] as const),
    )
    const { ttlMs, ttlAction } = infoOf(this.#context.tables, record)
    const ttl = ttlAsked(request) ?? { ttlMs, action: ttlAction }
    const sameStore =
      uri === request.uri && sameEntries(attributes, request.attributes) && sameEntries(revealed, request.secrets)
    const equal = sameStore && ttl.ttlMs === ttlMs && ttl.action === ttlAction
    if (equal) return infoOf(this.#context.tables, record)
    const how = `change it with 'ns update', or ${record.name === '' ? 'delete it first' : 'take another name'}`
    const which = record.name === '' ? 'the root mount' : `namespace '${record.name}'`
    const message = `${which} exists already with another definition: ${how}`
    throw new SkeinError('already_exists', message)
  }
}

function infoOf(tables: Tables, record: NamespaceRecord): NamespaceInfo {
  const lost = lostSecretsOf(record)
  return {
    namespaceId: record.id,
    name: record.name,
    uri: record.uri,
    attributes: { ...record.attributes },
    secretNames: Object.keys(record.sealedSecrets).sort(),
    createdMs: record.createdMs,
    ...ttlOf(tables.inode(record.rootId)),
    ...(lost.length > 0 && { lost: { names: lost } }),
  }
}

function ttlOf(root: Inode | undefined): { ttlMs: number; ttlAction: string } {
  if (root?.kind !== 'directory') return { ttlMs: 0, ttlAction: 'FREE' }
  return { ttlMs: Math.max(0, root.ttlMs), ttlAction: root.ttlAction }
}

function sameEntries(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
