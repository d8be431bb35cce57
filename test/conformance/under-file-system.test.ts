import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cosnDefaults } from '../../src/ufs/store-options.ts'
import { openUnderFileSystem } from '../../src/ufs/open-store.ts'
import { startOrigin } from '../support/origin/server.ts'
import { openCosn, openS3, testCredential, testDependencies } from '../support/origin/stores.ts'
import { type StoreUnderTest, underFileSystemConformance } from './support/under-file-system-suite.ts'

async function onOrigin(style: 's3' | 'cosn', prefix: string): Promise<StoreUnderTest> {
  const credential = style === 's3' ? testCredential : { ...testCredential, sessionToken: 'session+Token/=' }
  const origin = await startOrigin({ credentials: [credential], cos: style === 'cosn' })
  const bucket = origin.bucket('bucket-1250000000')
  bucket.put('outside-of-the-prefix', Buffer.from('x'))
  const uri = `${style}://bucket-1250000000/${prefix}`
  const store =
    style === 's3' ? await openS3(origin.url, uri, credential) : await openCosn(origin.endpointSuffix, uri, credential)
  if (prefix === '') bucket.delete('outside-of-the-prefix')
  return {
    store,
    put: async (key, bytes) => {
      bucket.put(`${prefix}${key}`, bytes)
    },
    remove: async (key) => bucket.delete(`${prefix}${key}`),
    close: async () => {
      await store.close()
      await origin.close()
    },
  }
}

underFileSystemConformance('s3, path style', () => onOrigin('s3', ''))
underFileSystemConformance('s3, path style, below a prefix', () => onOrigin('s3', 'data + sets/v1/'))
underFileSystemConformance('cosn, virtual-hosted, with a session token', () => onOrigin('cosn', ''))

underFileSystemConformance('local', async () => {
  const root = await mkdtemp(join(tmpdir(), 'skein-local-'))
  const store = await openUnderFileSystem(
    { uri: `file://${root}`, attributes: {}, secrets: {} },
    cosnDefaults,
    testDependencies(),
  )
  return {
    store,
    put: async (key, bytes) => {
      await mkdir(dirname(join(root, key)), { recursive: true })
      await writeFile(join(root, key), bytes)
    },
    remove: (key) => rm(join(root, key)),
    holds: (key) => !key.includes('//'),
    close: async () => {
      await store.close()
      await rm(root, { recursive: true })
    },
  }
})
