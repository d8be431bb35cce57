// Why: the S3 door is for clients that others wrote, and each of them does a few things in its own
// way. How: each real client that is there moves a folder with awkward names through the door, in
// one PUT and in parts, with signatures; what it wrote is compared with what is in the file system.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { RunningDoor } from '../../src/gateway/door-port.ts'
import { sentMemory } from '../../src/gateway/sent-memory.ts'
import { startS3Door } from '../../src/gateway/s3/s3-door.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../src/telemetry/registry.ts'
import { contentOf, sha256 } from '../support/dataset.ts'
import { MemoryFileSystem } from '../support/memory-file-system.ts'
import { oddFiles, storeClients } from '../support/store-clients.ts'

const mebibyte = 1024 * 1024
const files = { ...oddFiles, 'in parts/large': 11 * mebibyte + 1 }
const hashes = Object.fromEntries(
  Object.entries(files).map(([name, length]) => [name, sha256(contentOf(name, length))]),
)

describe('the S3 door', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-gateway-clients-'))
  const fileSystem = new MemoryFileSystem(systemClock, ['shared'])
  const store = { endpoint: '', accessKey: 'AKIDGATEWAY', secretKey: 'a+secret/of=forty+characters/or+more' }
  let door: RunningDoor

  beforeAll(async () => {
    const credentialsFile = join(folder, 'keys.json')
    const key = { accessKeyId: store.accessKey, secretAccessKey: store.secretKey, namespaces: ['*'], access: 'write' }
    writeFileSync(credentialsFile, JSON.stringify([key]))
    chmodSync(credentialsFile, 0o600)
    door = await startS3Door({
      fileSystem,
      options: {
        ...{ host: '127.0.0.1', port: 0, domains: [], region: 'us-east-1', credentialsFile, names: [] },
        uploadExpiryMs: 3_600_000,
        digestThreadsMax: 1,
      },
      pieces: sentMemory(96 * 1024 * 1024, systemClock),
      ...{ clock: systemClock, logger: silentLogger, metrics: new MetricRegistry('gateway') },
    })
    store.endpoint = `http://${door.address}`
    for (const [name, length] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'from', name)), { recursive: true })
      writeFileSync(join(folder, 'from', name), contentOf(name, length))
    }
  })
  afterAll(async () => {
    await door?.close(0)
    rmSync(folder, { recursive: true })
  })

  for (const client of storeClients()) {
    if (!client.isInstalled) console.warn(`${client.name} is not there: bash scripts/test.sh --clients`)

    it.skipIf(!client.isInstalled)(`serves ${client.name}`, async () => {
      const prefix = `by ${client.name}`
      await client.upload(store, join(folder, 'from'), 'shared', prefix)
      const stored: Record<string, string> = {}
      for await (const page of fileSystem.list(`/shared/${prefix}`, { recursive: true }))
        for (const { kind, path } of page) {
          if (kind === 'directory') continue
          const handle = await fileSystem.open(path)
          const bytes = Buffer.alloc(handle.status.length)
          await handle.read(bytes, 0)
          await handle.close()
          stored[path.slice(`/shared/${prefix}/`.length)] = sha256(bytes)
        }
      expect(stored).toEqual(hashes)
      const etag = (await fileSystem.stat(`/shared/${prefix}/in parts/large`)).clientMetadata?.['etag']
      expect(etag).toMatch(/-3$/)
      const to = join(folder, `to ${client.name}`)
      mkdirSync(to)
      expect(await client.download(store, 'shared', prefix, to)).toEqual(files)
      const below = readdirSync(to, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      const paths = below.map((entry) => join(entry.parentPath, entry.name))
      const read = paths.map((path) => [path.slice(to.length + 1), sha256(readFileSync(path))])
      expect(Object.fromEntries(read)).toEqual(hashes)
    })
  }
})
