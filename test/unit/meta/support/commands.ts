// Why: tests speak in commands; these fill in what a test does not care about.
import type { ApplyListing, Command } from '../../../../src/meta/commands/commands.ts'
import type { ListedObject } from '../../../../src/meta/commands/listed-object.ts'

export function object(key: string, fields: Partial<ListedObject> = {}): ListedObject {
  return { key, length: 10, etag: 'v1', modifiedMs: 1000, storageClass: 'STANDARD', ...fields }
}

export function createNamespace(namespaceId = 'n1', name = 'ns'): Command {
  return { type: 'create_namespace', atMs: 1, namespaceId, name, uri: 's3://b', attributes: {}, sealedSecrets: {} }
}

export function listing(change: Partial<ApplyListing>): ApplyListing {
  const empty = { upserts: [], directories: [], removals: [], unmarked: [], childrenListed: [], treeListed: [] }
  return { type: 'apply_listing', atMs: 2, namespaceId: 'n1', blockSizeBytes: 4, ...empty, ...change }
}
