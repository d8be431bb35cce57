// Why: what the journal has is applied at every start from then on: a command that the state cannot
// take would be there for ever. How: the shape of every command, each field with its limit;
// whatever fits can be applied, whether it holds or not. LMDB's keys are at most 1,978 bytes: names
// and ids are well below. A new type of command or a new field does not compile without its check
// here.
import { clientMetadataMap } from '../../base/attributes/door-metadata.ts'
import { contentTypeText, type StoredMetadata, userMetadataMap } from '../../base/attributes/object-metadata.ts'
import { modeBits, ownerName } from '../../base/attributes/ownership.ts'
import { setTimesCheck } from '../../base/attributes/set-times.ts'
import { writePolicies } from '../../base/attributes/write-policy.ts'
import { blocksPerFileMax } from '../../base/block-id.ts'
import { keyBytesMax } from '../../base/paths.ts'
import {
  both,
  bytes,
  type Check,
  finite,
  flag,
  list,
  map,
  oneOf,
  optional,
  problemText,
  record,
  text,
  whole,
} from '../../base/shape.ts'
import type * as Base from './commands.ts'
import type { ListedObject } from './listed-object.ts'
import type * as Lifecycle from './lifecycle-commands.ts'
import type * as Staging from './staging-commands.ts'

/** What a date can be, in milliseconds (ECMAScript's range). */
export const timeMsMax = 8.64e15
/** About 3,000 years: added to a time it is a time that the index of deadlines can hold. */
export const ttlMsMax = 1e14
export const replicationMax = 1_000_000
/** Characters of request keys, ids of workers and namespaces. */
export const wordBytesMax = 800
export const stagingIdBytesMax = keyBytesMax + 100
export const etagBytesMax = 1024
const uriBytesMax = 4096
const attributesMax = 200
const attributeBytesMax = 8192
const secretsMax = 50
const sealedBytesMax = 256 * 1024
/**
 * Entries of one command: more than any page has, or than a store can have lost in the range of
 * one.
 */
const entriesMax = 1_000_000

const atMs = finite(0, timeMsMax)
/** A time that a store says. */
const storeMs = finite(-timeMsMax, timeMsMax)
const word = text(wordBytesMax, { min: 1 })
const inodeId = whole(0)
const inodeIds = list(inodeId, entriesMax)
const fileKey = text(keyBytesMax, { min: 1 })
const directoryKey: Check = both(text(keyBytesMax + 1), (key) =>
  key === '' || String(key).endsWith('/') ? undefined : " does not end in '/'",
)
/** Of a range of keys: only compared. */
const boundKey = optional(text(4 * keyBytesMax, { loose: true }))
const blockSizeBytes = whole(1)
const ttl = optional(
  record<{ ttlMs: number; action: string }>({ ttlMs: whole(-1, ttlMsMax), action: oneOf('FREE', 'DELETE') }),
)
const fileRef = record<{ key: string; fileId: number }>({ key: fileKey, fileId: inodeId })
const attributes = map(text(wordBytesMax, { min: 1 }), text(attributeBytesMax), attributesMax)
const sealedSecrets = map(text(wordBytesMax, { min: 1 }), bytes(sealedBytesMax), secretsMax)
const unstages = optional(flag)
const ownership = { owner: optional(ownerName), group: optional(ownerName), mode: optional(modeBits) }
const metadata = { contentType: optional(contentTypeText), userMetadata: optional(userMetadataMap) }
const told = { clientMetadata: optional(clientMetadataMap) }

/** What a listed object must be to become a file. */
const listedObject = record<ListedObject>({
  key: fileKey,
  length: whole(0),
  etag: text(etagBytesMax),
  modifiedMs: storeMs,
  storageClass: text(wordBytesMax),
  crc64: optional(text(40)),
  metadata: optional(record<StoredMetadata>(metadata)),
})
const upserts = list(listedObject, entriesMax)

/**
 * Why a listed object cannot be journaled, or the empty string: one object shall not spoil its
 * page.
 */
export function listedProblem({
  length,
  etag,
  modifiedMs = 0,
  storageClass = '',
  crc64 = '',
  metadata: stored,
}: Omit<Partial<ListedObject>, 'key'>): string {
  const problem = listedObject({ key: 'key', length, etag, modifiedMs, storageClass, crc64, metadata: stored })
  return problem === undefined ? '' : `the store says what cannot be: ${problemText(problem)}`
}

type Of<Type extends Base.Command['type']> = Extract<Base.Command, { readonly type: Type }>

/** Of one type. Its `type` was looked up already. */
function command<Type extends Base.Command['type']>(
  checks: { readonly [F in Exclude<keyof Of<Type>, 'type'>]-?: Check },
  ...more: Check[]
): Check {
  return both(record<{ type: string }>({ type: text(100), ...checks }), ...more)
}

export const commandChecks: { readonly [Type in Base.Command['type']]: Check } = {
  create_namespace: command<'create_namespace'>({
    // The name of the root mount is empty.
    ...{ atMs, namespaceId: word, name: text(wordBytesMax), uri: text(uriBytesMax), attributes, sealedSecrets, ttl },
    inHome: optional(flag),
  }),
  update_namespace: command<'update_namespace'>({
    ...{ atMs, namespaceId: word, version: whole(0), attributes, sealedSecrets, otherStore: optional(flag) },
    uri: optional(text(uriBytesMax)),
  }),
  delete_namespace: command<'delete_namespace'>({ atMs, namespaceId: word }),
  clear_detached: command<'clear_detached'>({ atMs, limit: whole(1, entriesMax) }),
  apply_listing: command<'apply_listing'>(
    {
      ...{ atMs, namespaceId: word, blockSizeBytes, upserts },
      directories: list(record<{ key: string; marker: boolean }>({ key: directoryKey, marker: flag }), entriesMax),
      removals: list(fileKey, entriesMax),
      unmarked: list(directoryKey, entriesMax),
      childrenListed: list(directoryKey, entriesMax),
      treeListed: list(directoryKey, entriesMax),
    },
    fewEnoughBlocks,
  ),
  remove_file: command<'remove_file'>({ atMs, namespaceId: word, key: fileKey, fileId: optional(inodeId) }),
  set_replication: command<'set_replication'>({
    ...{ atMs, fileIds: inodeIds, min: whole(0, replicationMax), max: whole(-1, replicationMax) },
  }),
  set_metadata: command<'set_metadata'>({
    ...{ atMs, files: list(record<Base.SetMetadata['files'][number]>({ fileId: inodeId, ...metadata }), entriesMax) },
  }),
  set_decommissioning: command<'set_decommissioning'>({ atMs, workerId: word, decommissioning: flag }),
  set_expected_worker: command<'set_expected_worker'>({ atMs, workerId: word, expected: flag }),
  make_directory: command<'make_directory'>({
    atMs,
    namespaceId: word,
    key: directoryKey,
    listed: flag,
    explicit: optional(flag),
    unstages,
  }),
  remove_entries: command<'remove_entries'>({
    ...{
      atMs,
      namespaceId: word,
      files: list(fileRef, entriesMax),
      directories: list(directoryKey, entriesMax),
      unstages,
    },
  }),
  detach: command<'detach'>({ atMs, namespaceId: word, key: directoryKey, unstages }),
  rename: command<'rename'>(
    {
      atMs,
      namespaceId: word,
      from: text(keyBytesMax + 1, { min: 1 }),
      to: text(keyBytesMax + 1, { min: 1 }),
      ...{ overwrites: optional(flag), replacesEtag: optional(text(etagBytesMax)), unstages },
      stored: optional(
        record<NonNullable<Lifecycle.Rename['stored']>>({
          ...{ etag: text(etagBytesMax, { min: 1 }), modifiedMs: storeMs, movedEtag: optional(text(etagBytesMax)) },
        }),
      ),
    },
    (given) => {
      const { from, to, overwrites } = given as Lifecycle.Rename
      if (overwrites === true && from.endsWith('/')) return '.overwrites is given for a directory'
      return from.endsWith('/') === to.endsWith('/')
        ? undefined
        : '.to is a directory where .from is a file, or the other way round'
    },
  ),
  set_attributes: command<'set_attributes'>({
    ...{ atMs, inodeIds, pinned: optional(flag), ttl, unstages },
    replicationMin: optional(whole(0, replicationMax)),
    replicationMax: optional(whole(-1, replicationMax)),
    ...{ ...ownership, modeMask: optional(modeBits), ...told, times: optional(setTimesCheck) },
  }),
  follow_namespace_ttl: command<'follow_namespace_ttl'>({ atMs, fileIds: inodeIds, unstages }),
  end_ttl_change: command<'end_ttl_change'>({ atMs, rootId: inodeId, unstages }),
  renew_files: command<'renew_files'>({ atMs, fileIds: inodeIds, pinned: optional(flag), unstages }),
  expire: command<'expire'>({ atMs, inodeIds, unstages }),
  create_file: command<'create_file'>({
    ...{
      atMs,
      namespaceId: word,
      key: fileKey,
      blockSizeBytes,
      requestKey: text(wordBytesMax),
      expiresMs: atMs,
      unstages,
    },
    ...{ overwrites: optional(flag), overwritesId: optional(inodeId), replacesEtag: optional(text(etagBytesMax)) },
    ...{ beside: optional(flag), ttl, ...ownership, ...metadata, ...told },
    writePolicy: optional(oneOf(...writePolicies)),
  }),
  complete_file: command<'complete_file'>({
    ...{ atMs, fileId: inodeId, length: whole(0), unstages, ...metadata, ...told },
    stored: optional(
      record<NonNullable<Lifecycle.CompleteFile['stored']>>({
        ...{ etag: text(etagBytesMax, { min: 1 }), modifiedMs: storeMs },
      }),
    ),
  }),
  abandon_file: command<'abandon_file'>({ atMs, fileId: inodeId, unstages }),
  persist_files: command<'persist_files'>({
    ...{ atMs, unstages },
    files: list(
      record<Lifecycle.PersistFiles['files'][number]>({
        ...{ fileId: inodeId, etag: text(etagBytesMax), modifiedMs: storeMs },
      }),
      entriesMax,
    ),
  }),
  begin_write: command<'begin_write'>({ atMs, namespaceId: word, key: fileKey, fileId: inodeId, unstages }),
  end_write: command<'end_write'>({ atMs, namespaceId: word, key: fileKey, unstages }),
  stage_listing: command<'stage_listing'>(
    {
      ...{
        atMs,
        stagingId: text(stagingIdBytesMax, { min: 1 }),
        number: optional(inodeId),
        namespaceId: word,
        blockSizeBytes,
      },
      ...{ expiresMs: atMs, afterKey: boundKey, upToKey: boundKey, onlyKey: optional(fileKey), upserts },
      removals: list(fileRef, entriesMax),
    },
    fewEnoughBlocks,
  ),
  commit_staging: command<'commit_staging'>({
    atMs,
    stagingId: text(stagingIdBytesMax, { min: 1 }),
    number: optional(inodeId),
  }),
  drop_staging: command<'drop_staging'>({
    atMs,
    stagingId: text(stagingIdBytesMax, { min: 1 }),
    limit: whole(1, entriesMax),
  }),
}

/** Why a command may not be journaled, beginning with the field; undefined when it may. */
export function commandProblem(given: Base.Command): string | undefined {
  const { type } = given
  if (!Object.hasOwn(commandChecks, type)) return 'type is not known to this version'
  const problem = commandChecks[type](given)
  return problem === undefined ? undefined : problemText(problem)
}

function fewEnoughBlocks(listing: unknown): string | undefined {
  const { upserts: objects, blockSizeBytes: size } = listing as Base.ApplyListing | Staging.StageListing
  const at = objects.findIndex(({ length }) => length > size * blocksPerFileMax)
  return at < 0 ? undefined : `.upserts[${at}].length is more than ${blocksPerFileMax} blocks`
}
