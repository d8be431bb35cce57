import { link, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { openUnderFileSystem } from '../../src/ufs/open-store.ts'
import { cosnDefaults } from '../../src/ufs/store-options.ts'
import { startOrigin } from '../support/origin/server.ts'
import { openCosn, openS3, testCredential, testDependencies } from '../support/origin/stores.ts'
import { underFileSystemWrites, type WritableStoreUnderTest } from './support/under-file-system-writes.ts'

async function onOrigin(style: 's3' | 'cosn', prefix: string): Promise<WritableStoreUnderTest> {
  const credential = style === 's3' ? testCredential : { ...testCredential, sessionToken: 'session+Token/=' }
  const origin = await startOrigin({ credentials: [credential], cos: style === 'cosn' })
  const bucket = origin.bucket('bucket-1250000000')
  const uri = `${style}://bucket-1250000000/${prefix}`
  const store =
    style === 's3' ? await openS3(origin.url, uri, credential) : await openCosn(origin.endpointSuffix, uri, credential)
  return {
    store,
    renamesByCopy: true,
    racesReplacements: style === 'cosn',
    put: async (key, bytes) => void bucket.put(`${prefix}${key}`, bytes),
    remove: async (key) => bucket.delete(`${prefix}${key}`),
    leftovers: async () => Array.from({ length: bucket.uploads.count }, () => 'upload'),
    close: async () => {
      await store.close()
      await origin.close()
    },
  }
}

underFileSystemWrites('s3, path style, below a prefix', () => onOrigin('s3', 'data + sets/v1/'))
underFileSystemWrites('cosn, virtual-hosted, with a session token', () => onOrigin('cosn', ''))

underFileSystemWrites('local', async () => {
  const root = await mkdtemp(join(tmpdir(), 'skein-local-write-'))
  const store = await openUnderFileSystem(
    { uri: `file://${root}`, attributes: {}, secrets: {} },
    cosnDefaults,
    testDependencies(),
  )
  return {
    store,
    put: () => Promise.reject(new Error('not needed')),
    remove: () => Promise.reject(new Error('not needed')),
    halfRename: (from, to) => link(join(root, from), join(root, to)),
    holds: (key) => !key.includes('//'),
    racesReplacements: true,
    keepsNoMetadata: true,
    leftovers: async () =>
      (await readdir(root, { recursive: true })).filter((path) => basename(path).startsWith('.skein-write-')),
    close: async () => {
      await store.close()
      await rm(root, { recursive: true })
    },
  }
})
