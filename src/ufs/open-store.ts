// Why: the composition roots have a URI, attributes and secrets, and need a store. How: all input
// is parsed and checked here, before anything is opened. The modules for buckets are loaded on
// first use, and the S3 SDK on the first write.
import type { Secret } from '../base/secret.ts'
import { LocalUnderFileSystem } from './local/local.ts'
import type { StoreDependencies } from './s3/s3.ts'
import { checkStoreKeys } from './store-keys.ts'
import { type CosnDefaults, rangeAttribute, s3Options, storeTuning } from './store-options.ts'
import { parseStoreUri } from './store-uri.ts'
import type { UnderFileSystem } from './under-file-system.ts'

/** The definition of a namespace's store. */
export interface StoreAccess {
  readonly uri: string
  readonly attributes: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, Secret>>
}

export interface OpenDependencies extends StoreDependencies {
  /** The directories that `file://` namespaces may use: skein.ufs.file.roots. */
  readonly fileRoots: readonly string[]
}

/**
 * Opens the store of a namespace. It does not connect yet; `check` does.
 * @throws SkeinError invalid_argument, which names the invalid URI, attribute or secret and the
 *   nearest known key; permission_denied (`endpoint_not_allowed`), which names
 *   skein.ufs.allowPrivateEndpoints
 */
export async function openUnderFileSystem(
  access: StoreAccess,
  defaults: CosnDefaults,
  deps: OpenDependencies,
): Promise<UnderFileSystem> {
  const uri = parseStoreUri(access.uri)
  checkStoreKeys(uri.kind, access.attributes, access.secrets)
  const { readAheadBlockBytes: rangeBytes, readAheadQueueSize: rangesAhead } = storeTuning(access.attributes, defaults)
  const isRangeGiven = access.attributes[rangeAttribute] !== undefined
  const readAhead = { rangeBytes, rangesAhead, ...(isRangeGiven && { isRangeGiven }) }
  if (uri.kind === 'file')
    return Object.assign(new LocalUnderFileSystem(uri.directory, deps.fileRoots, deps.metrics), { readAhead })
  const options = s3Options(uri, access.attributes, access.secrets, defaults)
  const { S3UnderFileSystem } = await import('./s3/s3.ts')
  return Object.assign(new S3UnderFileSystem(options, deps), { readAhead })
}
