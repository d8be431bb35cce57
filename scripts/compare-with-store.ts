// Why: proof that a stranger can read: every object of a namespace, as the cache has it, has the
// SHA-256 of the object at the store. How: each file is read from the workers (never falling
// through to the store), and again from the store itself.
// Usage: node compare-with-store.ts MASTER_ADDRESS /namespace   (the namespace's secrets come from
// the master)
import { createHash } from 'node:crypto'
import pLimit from 'p-limit'
import { systemClock, systemRandom } from '../src/base/clock.ts'
import { Secret } from '../src/base/secret.ts'
import { FileReader } from '../src/client/read/file-reader.ts'
import { silentLogger } from '../src/telemetry/logger.ts'
import { MetricRegistry } from '../src/telemetry/registry.ts'
import { openUnderFileSystem } from '../src/ufs/open-store.ts'
import { cosnDefaults } from '../src/ufs/store-options.ts'
import { createClient } from '../src/wire/rpc/channel.ts'
import { DataClient } from '../src/wire/data/data-client.ts'
import { type FileInfo, MasterServiceDefinition } from '../src/wire/generated/master.ts'

const [address = '', path = ''] = process.argv.slice(2)
const parts = { clock: systemClock, random: systemRandom, logger: silentLogger }
const { signal } = new AbortController()
const client = createClient(MasterServiceDefinition, address, parts)
const master = client.service
const data = new DataClient({ clock: systemClock })
const reader = new FileReader({ ...parts, master, data, origin: undefined, hostname: '' })

async function* allFiles(): AsyncGenerator<FileInfo> {
  for (let pageToken = ''; ;) {
    const page = await master.listStatus({ path, recursive: true, pageToken, limit: 1000 }, { signal })
    // Other namespaces are below the root mount.
    yield* page.files.filter((file) => !file.folder && file.namespaceId === namespace.namespaceId)
    pageToken = page.nextPageToken
    if (pageToken === '') return
  }
}

async function sha256Of(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

const namespace = await master.getNamespace({ name: '', path }, { signal })
const access = await master.getNamespaceAccess({ namespaceId: namespace.namespaceId }, { signal })
const secrets = Object.fromEntries(Object.entries(access.secrets).map(([name, value]) => [name, new Secret(value)]))
const store = await openUnderFileSystem({ uri: access.uri, attributes: access.attributes, secrets }, cosnDefaults, {
  ...parts,
  metrics: new MetricRegistry(),
  allowPrivateEndpoints: true,
  fileRoots: ['/'],
})

const limit = pLimit(16)
let equal = 0
const unequal: string[] = []
const comparisons: Promise<void>[] = []
for await (const file of allFiles()) {
  comparisons.push(
    limit(async () => {
      try {
        const request = { key: file.key, offset: 0, length: file.length, etag: file.etag }
        const [cached, original] = await Promise.all([
          sha256Of(reader.read(file.path, signal)),
          sha256Of(store.read(request, signal)),
        ])
        if (cached === original) equal += 1
        else unequal.push(`${file.path}: the SHA-256 differs`)
      } catch (error) {
        unequal.push(`${file.path}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }),
  )
}
await Promise.all(comparisons)
for (const line of unequal.slice(0, 20)) console.error(line)
console.log(`${equal} objects compared with the store: ${equal} equal SHA-256 checksums, ${unequal.length} different`)
data.close()
client.close()
await store.close()
process.exit(unequal.length === 0 && equal > 0 ? 0 : 1)
