// Why: a file that was begun must not be given up while it is being written, and one that
// overwrites another must be able to get to the store. How: its deadline is moved while its blocks
// are begun; where the old file could not get to the store, the version that is there is replaced
// with it.
import { type WritePolicy, writePolicies, writePolicyNamed } from '../../base/attributes/write-policy.ts'
import { assert } from '../../base/assert.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { isHiddenKey } from '../../base/paths.ts'
import type { CreateFile } from '../../meta/commands/lifecycle-commands.ts'
import { type NamespaceRecord, type PendingInode, pendingParentId } from '../../meta/meta-tables.ts'
import { fileAt, namespaceById } from '../../meta/resolve-path.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type { CreateFileRequest, UnfinishedFile, UnfinishedFileRequest } from '../../wire/generated/lifecycle.ts'
import { type MasterContext, pathOf } from '../master-context.ts'

/** A deadline is renewed when so much of its time is over. */
const renewShare = 1 / 24

/** @throws SkeinError not_found */
export function pendingFile(tables: MasterContext['tables'], fileId: number): PendingInode {
  const inode = tables.inode(fileId)
  if (inode?.kind !== 'pending' || namespaceById(tables, inode.namespaceId) === undefined) {
    throw new SkeinError(
      'not_found',
      'the file is not being written: it is complete, was abandoned, or waited too long',
    )
  }
  return inode
}

/** @throws SkeinError invalid_argument */
export function ownPolicy({ writePolicy: word }: CreateFileRequest): WritePolicy | undefined {
  if (word === undefined) return undefined
  const policy = writePolicyNamed(word)
  if (policy === undefined)
    throw new SkeinError('invalid_argument', `the write policy '${word}' is none of ${writePolicies.join(', ')}`)
  return policy
}

/** When a file that is written gets to the store. */
export function policyOf({ attributes }: NamespaceRecord, key: string, own: WritePolicy | undefined): WritePolicy {
  return isHiddenKey(key) ? 'MUST_CACHE' : (own ?? namespacePolicy(attributes).writePolicy)
}

/** For who writes a file that another began. @throws SkeinError not_found */
export function unfinishedFile(
  { tables }: Pick<MasterContext, 'tables'>,
  { fileId, requestKey }: UnfinishedFileRequest,
): UnfinishedFile {
  const id = fileId ?? tables.edge(pendingParentId, `key:${requestKey ?? ''}`) ?? 0
  const pending = pendingFile(tables, id)
  const { id: known, namespaceId, key, blockSizeBytes, writePolicy: own, contentType, userMetadata } = pending
  const record = namespaceById(tables, namespaceId)
  assert(record !== undefined, 'a file that is being written has a namespace')
  const writePolicy = policyOf(record, key, own)
  return {
    ...{ fileId: known, namespaceId, key, path: pathOf(record, key), blockSizeBytes, writePolicy },
    ...(contentType !== undefined && { contentType }),
    ...(userMetadata !== undefined && { userMetadata: { values: userMetadata } }),
  }
}

/**
 * The version at the store that a file replaces together with one that could not get there; nothing
 * where the old file got there, or was not tried.
 * @throws what the store says
 */
export async function replacedVersion(
  { tables, stores, persistProblems }: Pick<MasterContext, 'tables' | 'stores' | 'persistProblems'>,
  record: NamespaceRecord,
  key: string,
  signal: AbortSignal,
): Promise<Pick<CreateFile, 'replacesEtag'>> {
  const old = fileAt(tables, record.rootId, key)
  if (old?.persisted !== false || persistProblems.of(old.id) === undefined) return {}
  const store = await stores.get(record)
  try {
    return { replacesEtag: (await store.stat(key, signal)).etag }
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return { replacesEtag: '' }
    throw thrown
  }
}

/** A file of which blocks are being begun is given up later. */
export async function renewDeadline(
  { log, clock, options }: Pick<MasterContext, 'log' | 'clock' | 'options'>,
  { namespaceId, key, blockSizeBytes, name, expiresMs: before }: PendingInode,
): Promise<void> {
  const atMs = clock.nowMs()
  const expiresMs = atMs + options.unfinishedFileMs
  const requestKey = name.startsWith('key:') ? name.slice('key:'.length) : ''
  if (requestKey === '' || expiresMs - before < options.unfinishedFileMs * renewShare) return
  await log.submit({ type: 'create_file', atMs, namespaceId, key, blockSizeBytes, requestKey, expiresMs })
}
