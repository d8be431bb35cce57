// Why: how long and how often data is kept, as users set it. How: everything is checked before the
// first change, then commands of a page each; a namespace's TTL is kept at its root, and the files
// that have none of their own follow it.
import { changedOwnership, ownershipOf } from '../../base/attributes/ownership.ts'
import { setTimesOf } from '../../base/attributes/set-times.ts'
import { SkeinError } from '../../base/errors.ts'
import { replicationMinOf } from '../../meta/apply/expiry.ts'
import type { SetAttributes } from '../../meta/commands/lifecycle-commands.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { type TtlChange, ttlChanges } from '../../meta/apply/namespace-ttl.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type {
  ChangedFiles,
  SetClientMetadataRequest,
  SetPathTimesRequest,
  SetPathOwnershipRequest,
  SetPathReplicationRequest,
  SetPinnedRequest,
  SetTtlRequest,
} from '../../wire/generated/lifecycle.ts'
import type { CallOptions } from '../../wire/service.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { parseTtlAction } from '../store/namespace-definition.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { type Target, targetOf, type TreeEntry, treePages } from '../paths/tree-pages.ts'

/** Paths that an answer names. */
const namedPathsMax = 1000

export class AttributeService {
  readonly #context: MasterContext
  readonly #locator: PathLocator

  constructor(context: MasterContext, locator: PathLocator) {
    this.#context = context
    this.#locator = locator
  }

  /**
   * A file's or a directory's TTL, counted from now; a namespace's is that of each file in it that
   * has none.
   * @throws SkeinError invalid_argument, not_found, failed_precondition (DELETE in a read-only
   *   namespace)
   */
  async setTtl(request: SetTtlRequest, { signal }: CallOptions): Promise<ChangedFiles> {
    const { ttlMs } = request
    if (ttlMs < -1)
      throw new SkeinError('invalid_argument', `a TTL of ${ttlMs} ms is not possible: give at least 0, or -1 for none`)
    const action = parseTtlAction(request.action)
    const target = await targetOf(
      this.#locator,
      request.path,
      '/ itself can have no TTL: name a namespace, a directory or a file',
      signal,
    )
    if (ttlMs >= 0 && action === 'DELETE' && namespacePolicy(target.record.attributes).readOnly) {
      throw new SkeinError('failed_precondition', `/${target.record.name} is read-only: use the TTL action FREE`)
    }
    const inode = target.file ?? target.directory
    const changed = await this.#set({ inodeIds: inode === undefined ? [] : [inode.id], ttl: { ttlMs, action } })
    if (target.key === '') await this.#followNamespaces(target.record.rootId, signal)
    return { files: changed, paths: [target.path] }
  }

  /** Pins a file, or all files below a directory and those that come into it later. */
  async setPinned(request: SetPinnedRequest, { signal }: CallOptions): Promise<ChangedFiles> {
    const { pinned } = request
    const target = await targetOf(
      this.#locator,
      request.path,
      '/ itself cannot be pinned: name a namespace, a directory or a file',
      signal,
    )
    if (target.directory !== undefined) await this.#set({ inodeIds: [target.directory.id], pinned })
    const changes = new Changes()
    if (target.file !== undefined) changes.add(await this.#set({ inodeIds: [target.file.id], pinned }), [target.path])
    if (target.directory === undefined) return changes
    for await (const page of treePages(this.#context, target.directory.id, target.key, signal)) {
      const others = page.filter(({ file, directory }) => (file ?? directory)?.pinned !== pinned)
      await this.#set({ inodeIds: others.map(({ file, directory }) => (file ?? directory)?.id ?? 0), pinned })
      changes.addFiles(target.record, others)
    }
    return changes
  }

  /**
   * How many replicas files shall have, those too that come into a directory later; what is not
   * given stays as it is.
   * @throws SkeinError invalid_argument, not_found, failed_precondition (a directory without
   *   `recursive`, max 0 for what only the cache has)
   */
  async setReplication(request: SetPathReplicationRequest, { signal }: CallOptions): Promise<ChangedFiles> {
    const { max } = request
    // Not cached at all leaves no minimum, whoever has set one.
    const min = max === 0 ? (request.min ?? 0) : request.min
    if (min === undefined && max === undefined)
      throw new SkeinError('invalid_argument', 'give a minimum, a maximum or both')
    if ((min !== undefined && min < 0) || (max !== undefined && max < -1)) throw badReplication(min ?? 0, max ?? -1, '')
    if (min !== undefined && max !== undefined && max >= 0 && min > max) throw badReplication(min, max, '')
    const target = await targetOf(
      this.#locator,
      request.path,
      '/ itself has no replication: name a namespace, a directory or a file',
      signal,
    )
    if (target.directory !== undefined && !request.recursive) {
      throw new SkeinError(
        'failed_precondition',
        `${target.path} is a directory: set the replication of all below it with -R`,
      )
    }
    for await (const page of entriesOf(this.#context, target, signal)) {
      for (const { key, file, directory } of page) {
        if (directory !== undefined) {
          const after = { min: min ?? directory.replicationMin ?? 0, max: max ?? directory.replicationMax ?? -1 }
          if (after.max >= 0 && after.min > after.max)
            throw badReplication(after.min, after.max, ` of ${pathOf(target.record, key.replace(/\/$/, ''))}`)
          continue
        }
        const after = {
          ...file,
          replicationMin: min ?? file.replicationMin,
          replicationMax: max ?? file.replicationMax,
        }
        const fits = after.replicationMax < 0 || replicationMinOf(after) <= after.replicationMax
        if (!fits && after.replicationMax === 0 && !file.persisted) {
          throw new SkeinError(
            'failed_precondition',
            `${pathOf(target.record, key)} is not persisted: it needs at least one replica`,
          )
        }
        if (!fits) throw badReplication(after.replicationMin, after.replicationMax, ` of ${pathOf(target.record, key)}`)
      }
    }
    const { log, clock, blocks } = this.#context
    const changes = new Changes()
    const change = {
      ...(min === undefined ? {} : { replicationMin: min }),
      ...(max === undefined ? {} : { replicationMax: max }),
    }
    for await (const page of entriesOf(this.#context, target, signal)) {
      const others = page.filter(({ file, directory }) => {
        const { replicationMin = 0, replicationMax = -1 } = file ?? directory
        return replicationMin !== (min ?? replicationMin) || replicationMax !== (max ?? replicationMax)
      })
      const cached =
        max === 0 ? page.flatMap(({ file }) => (file !== undefined && blocks.hasFile(file.id) ? [file.id] : [])) : []
      await this.#set({ inodeIds: others.map(({ file, directory }) => (file ?? directory).id), ...change })
      // As `free` does, so that whatever loads them later meets no order to delete.
      if (cached.length > 0) await log.submit({ type: 'renew_files', atMs: clock.nowMs(), fileIds: cached })
      changes.addFiles(target.record, others)
    }
    return changes
  }

  /**
   * Owner, group and permission bits; what is not given stays as it is.
   * @throws SkeinError invalid_argument (nothing is given, or `/`), not_found
   */
  async setOwnership(request: SetPathOwnershipRequest, { signal }: CallOptions): Promise<ChangedFiles> {
    const { modeMask } = request
    const change = { ...ownershipOf(request), ...(modeMask === undefined ? {} : { modeMask }) }
    if (Object.keys(ownershipOf(request)).length === 0)
      throw new SkeinError('invalid_argument', 'give an owner, a group or a mode')
    const target = await targetOf(
      this.#locator,
      request.path,
      '/ itself has no owner: name a namespace, a directory or a file',
      signal,
    )
    const changes = new Changes()
    for await (const page of entriesOf(this.#context, target, signal, request.recursive)) {
      const others = page.filter(({ file, directory }) => {
        const set = file ?? directory
        return changedOwnership(set.kind, set, change) !== set
      })
      await this.#set({ inodeIds: others.map(({ file, directory }) => (file ?? directory).id), ...change })
      changes.addFiles(target.record, others)
    }
    return changes
  }

  /**
   * The times that programs show of a file's version, or of a directory.
   * @throws SkeinError invalid_argument (nothing is given, or `/`), not_found
   */
  async setTimes(request: SetPathTimesRequest, { signal }: CallOptions): Promise<ChangedFiles> {
    const times = setTimesOf(request.times ?? {})
    if (times === undefined) throw new SkeinError('invalid_argument', 'give a time')
    const refusal = '/ itself has no times: name a namespace, a directory or a file'
    const { file, directory, path } = await targetOf(this.#locator, request.path, refusal, signal)
    const inodeIds = [file ?? directory].flatMap((inode) => (inode === undefined ? [] : [inode.id]))
    return { files: await this.#set({ inodeIds, times }), paths: [path] }
  }

  /**
   * What a door told its clients of a file's version: replaces all of it.
   * @throws SkeinError not_found, failed_precondition (a directory)
   */
  async setClientMetadata(request: SetClientMetadataRequest, { signal }: CallOptions): Promise<ChangedFiles> {
    const { file, path } = await targetOf(this.#locator, request.path, '/ is not a file', signal)
    if (file === undefined) throw new SkeinError('failed_precondition', `${path} is a directory: it has no metadata`)
    const clientMetadata = request.clientMetadata?.values ?? {}
    return { files: await this.#set({ inodeIds: [file.id], clientMetadata }), paths: [path] }
  }

  /** Goes on with the changes of namespaces' TTLs that a restart interrupted. */
  async finishTtlChanges(signal: AbortSignal): Promise<void> {
    await this.#followNamespaces(undefined, signal)
  }

  async #followNamespaces(rootId: number | undefined, signal: AbortSignal): Promise<void> {
    const { log, tables } = this.#context
    for (const change of ttlChanges(tables)) {
      if (rootId !== undefined && change.rootId !== rootId) continue
      if (tables.inode(change.rootId) !== undefined) await this.#followNamespace(change, signal)
      await log.submit({ type: 'end_ttl_change', ...change })
    }
  }

  async #followNamespace({ rootId, atMs }: TtlChange, signal: AbortSignal): Promise<void> {
    for await (const page of treePages(this.#context, rootId, '', signal, true)) {
      const fileIds = page.flatMap(({ file }) => (file !== undefined && file.ttlMs < 0 ? [file.id] : []))
      if (fileIds.length > 0) await this.#context.log.submit({ type: 'follow_namespace_ttl', atMs, fileIds })
    }
  }

  async #set(change: Omit<SetAttributes, 'type' | 'atMs'>): Promise<number> {
    if (change.inodeIds.length === 0) return 0
    const { changed } = await this.#context.log.submit({
      type: 'set_attributes',
      atMs: this.#context.clock.nowMs(),
      ...change,
    })
    return changed
  }
}

/** A file; or a directory first, then, where the call is recursive, all below it. */
async function* entriesOf(
  context: MasterContext,
  target: Target,
  signal: AbortSignal,
  isRecursive = true,
): AsyncGenerator<readonly TreeEntry[]> {
  const { key, file, directory } = target
  if (file !== undefined) yield [{ key, file }]
  if (directory === undefined) return
  yield [{ key, directory }]
  if (isRecursive) yield* treePages(context, directory.id, key, signal)
}

class Changes implements ChangedFiles {
  files = 0
  readonly paths: string[] = []

  add(files: number, paths: readonly string[]): void {
    this.files += files
    this.paths.push(...paths.slice(0, namedPathsMax - this.paths.length))
  }

  /** The files among some entries. */
  addFiles(record: NamespaceRecord, entries: readonly Pick<TreeEntry, 'key' | 'file'>[]): void {
    const files = entries.filter(({ file }) => file !== undefined)
    this.add(
      files.length,
      files.map(({ key }) => pathOf(record, key)),
    )
  }
}

function badReplication(min: number, max: number, whose: string): SkeinError {
  return new SkeinError(
    'invalid_argument',
    `replication min ${min} and max ${max}${whose} do not fit: 0 <= min <= max, or max -1 for no limit`,
  )
}
