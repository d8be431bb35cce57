// Why: a file whose writer was told that it is written must outlive everything, and then reach the
// store as it is. How: files are written into a whole Skein that is killed with -9 in the middle,
// some times over; every file that was acknowledged is read back, byte by byte, and then persisted,
// twice, into a real gateway where Ceph is installed. Seeded: SKEIN_SEED=n replays;
// SKEIN_TORTURE=full kills 30 times.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { readObject } from '../conformance/support/under-file-system-writes.ts'
import { type Child, startChild } from '../support/child.ts'
import { contentOf, sha256 } from '../support/dataset.ts'
import { freePortProperties } from '../support/local-skein.ts'
import { type Beneath, startBeneath } from './support/beneath.ts'

const kills = process.env['SKEIN_TORTURE'] === 'full' ? 30 : 3
const seed = Number(process.env['SKEIN_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const mebibyte = 1024 * 1024
const signal = new AbortController().signal

describe(`written files and kill -9, seed ${seed}`, () => {
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'skein-written-'))
  const home = join(folder, 'home')
  mkdirSync(home)
  const definitions = {
    ...freePortProperties,
    'skein.home': home,
    'skein.ufs.allowPrivateEndpoints': 'true',
    'goosefs.worker.tieredstore.level0.dirs.quota': '4GB',
    'fs.cosn.block.size': '4MB',
  }
  /** Length by path of what was acknowledged. */
  const written = new Map<string, number>()
  let beneath: Beneath
  let child: Child
  let cluster: Cluster
  let files = 0

  const start = async (): Promise<void> => {
    child = startChild(
      process.execPath,
      [join(import.meta.dirname, 'support/written-files-child.ts'), JSON.stringify(definitions)],
      {
        logFile: join(folder, 'local.log'),
      },
    )
    await child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
    cluster = connectCluster(loadConfig({ mode: 'client', definitions: { 'skein.home': home }, environment: {} }))
  }
  const stop = async (): Promise<void> => {
    cluster?.close()
    await child?.end('SIGKILL')
  }
  beforeAll(async () => {
    beneath = await startBeneath()
    await start()
    for (const [name, writePolicy] of [
      ['keep', 'MUST_CACHE'],
      ['through', 'CACHE_THROUGH'],
    ] as const) {
      await cluster.master().createNamespace(
        {
          name,
          uri: `s3://data/${name}/`,
          attributes: { 's3.endpoint': beneath.endpoint, 's3.forcePathStyle': 'true', writePolicy },
          secrets: {
            's3.accessKeyId': beneath.credential.accessKeyId,
            's3.secretAccessKey': beneath.credential.secretAccessKey,
          },
        },
        { signal },
      )
    }
  })
  afterAll(async () => {
    await stop()
    await beneath?.close()
    if (process.env['SKEIN_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true })
  })

  async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 300_007) yield bytes.subarray(at, at + 300_007)
  }

  async function writeOne(namespace: string): Promise<void> {
    files += 1
    const path = `/${namespace}/dir-${files % 3}/file ${files}`
    const length = Math.floor(random() < 0.3 ? random() * 100 : random() * 11 * mebibyte)
    const bytes = contentOf(path, length)
    const known = random() < 0.5 ? { length } : { blockSizeBytes: 4 * mebibyte }
    const output = await cluster.files.create(path, { ...known, signal })
    for await (const chunk of chunksOf(bytes)) await output.write(chunk)
    await output.close()
    written.set(path, length)
  }

  async function problems(): Promise<string[]> {
    const found: string[] = []
    for (const [path, length] of written) {
      const chunks: Uint8Array[] = []
      try {
        for await (const chunk of cluster.readFile(path, signal)) chunks.push(chunk)
        if (sha256(Buffer.concat(chunks)) !== sha256(contentOf(path, length))) found.push(`${path} has other bytes`)
      } catch (error) {
        found.push(`${path}: ${String(error)}`)
      }
    }
    return found
  }

  it.each(Array.from({ length: kills }, (_, index) => index + 1))('kill %i', async () => {
    const writing = new AbortController()
    const lanes = ['keep', 'keep', 'through'].map(async (namespace) => {
      while (!writing.signal.aborted) {
        // What was being written when everything died is nobody's loss: its writer was told so.
        await writeOne(namespace).catch((error: unknown) => {
          if (!writing.signal.aborted) throw error
        })
      }
    })
    const before = written.size
    await Promise.race([
      Promise.all(lanes),
      (async () => {
        while (written.size < before + 4) await new Promise((resolve) => setTimeout(resolve, 5))
        await new Promise((resolve) => setTimeout(resolve, random() * 300))
      })(),
    ])
    writing.abort()
    await child.end('SIGKILL')
    cluster.close()
    await Promise.all(lanes)
    await start()
    expect(await problems()).toEqual([])
  })

  it('puts equal objects into the store, and the second time changes nothing', async () => {
    const first = await cluster.lifecycle().persist({ path: '/keep' }, { signal, deadlineMs: 120_000 })
    expect(first.failures).toEqual([])
    for (const [path, length] of written)
      expect(sha256(await readObject(beneath.store, path.slice(1))), path).toBe(sha256(contentOf(path, length)))
    expect(await beneath.uploads()).toBe(0)
    const objects = await beneath.objects()
    const keep = [...written.keys()].filter((path) => path.startsWith('/keep/'))
    // Times are told in seconds: another write would show.
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(await cluster.lifecycle().persist({ path: '/keep' }, { signal })).toMatchObject({
      persisted: 0,
      failures: [],
    })
    expect(await beneath.objects()).toEqual(objects)
    expect(keep.every((path) => objects.has(path.slice(1)))).toBe(true)
    expect(await problems()).toEqual([])
  })
})
