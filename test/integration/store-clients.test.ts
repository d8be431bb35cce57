// Why: data comes into a store, and leaves it, by other clients than Skein: what they write must be
// read to the byte, and what Skein writes must be read to the byte by them. How: each real client
// that is there moves a folder with awkward names, in one PUT and in parts, on a real gateway.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentOf, sha256, TestBucket } from '../support/dataset.ts'
import { LocalSkein } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { type Radosgw, radosgwInstalled, startRadosgw } from '../support/radosgw.ts'
import { oddFiles, storeClients } from '../support/store-clients.ts'

const mebibyte = 1024 * 1024
/** Three parts of a client's 5 MiB. */
const written = { ...oddFiles, 'in parts/large': 11 * mebibyte + 1 }
/** Two parts of Skein's 16 MiB. */
const persisted = { ...oddFiles, 'in parts/large': 17 * mebibyte + 1 }

function writeAll(folder: string, files: Readonly<Record<string, number>>): void {
  for (const [name, length] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), contentOf(name, length))
  }
}

/** SHA-256 of each file, by its path below the folder. */
function hashesBelow(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), sha256(readFileSync(path))]))
}

const hashesOf = (files: Readonly<Record<string, number>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([name, length]) => [name, sha256(contentOf(name, length))]))

describe.skipIf(!radosgwInstalled())('a store that other clients use too', () => {
  const clients = storeClients()
  let gateway: Radosgw
  let bucket: TestBucket
  let skein: LocalSkein
  let oracle: Oracle

  const done = async (...args: readonly string[]): Promise<void> => {
    const { code, stdout, stderr } = await skein.cli(...args)
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0)
  }

  beforeAll(async () => {
    const storeStarts = startRadosgw({ memoryGiB: 1 }).then(async (started) => {
      gateway = started
      bucket = new TestBucket('shared', gateway)
      await bucket.create()
    })
    skein = new LocalSkein({ properties: { 'skein.ufs.allowPrivateEndpoints': 'true' } })
    // Both are waited for, so that what has been started is ended too.
    const failed = (await Promise.allSettled([storeStarts, skein.start()])).find(({ status }) => status === 'rejected')
    expect(failed).toBeUndefined()
    oracle = new Oracle(skein.addresses()['master'] ?? '')
    await done(
      ...['ns', 'create', 'n', 's3://shared/'],
      ...['--attribute', `s3.endpoint=${gateway.endpoint}`, '--attribute', 's3.forcePathStyle=true'],
      ...['--secret', `s3.accessKeyId=${gateway.accessKey}`, '--secret', `s3.secretAccessKey=${gateway.secretKey}`],
    )
    writeAll(join(skein.folder, 'written'), written)
    writeAll(join(skein.folder, 'persisted'), persisted)
    await done('fs', 'copyFromLocal', join(skein.folder, 'persisted'), '/n/persisted')
    await done('fs', 'persist', '/n/persisted')
  })
  afterAll(async () => {
    oracle?.close()
    await skein?.dispose()
    bucket?.close()
    await gateway?.stop()
  })

  for (const client of clients) {
    if (!client.isInstalled) console.warn(`${client.name} is not there: bash scripts/test.sh --clients`)

    describe.skipIf(!client.isInstalled)(client.name, () => {
      it('what it writes is loaded, and read from the cache to the byte', async () => {
        const prefix = `from ${client.name}`
        await client.upload(gateway, join(skein.folder, 'written'), 'shared', prefix)
        expect(await bucket.etag(`${prefix}/in parts/large`)).toMatch(/-3$/)
        await done('fs', 'distributedLoad', `/n/${prefix}`)
        const files = await oracle.files(`/n/${prefix}`)
        const read = files.map(async ({ key, path }) => [key.slice(prefix.length + 1), await oracle.checksum(path)])
        expect(Object.fromEntries(await Promise.all(read))).toEqual(hashesOf(written))
      })

      it('what Skein writes is listed with its size, and read to the byte', async () => {
        expect(await bucket.etag('persisted/in parts/large')).toMatch(/-2$/)
        const to = join(skein.folder, `to ${client.name}`)
        mkdirSync(to)
        expect(await client.download(gateway, 'shared', 'persisted', to)).toEqual(persisted)
        expect(hashesBelow(to)).toEqual(hashesOf(persisted))
      })
    })
  }
})
