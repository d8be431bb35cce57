// Why: whoever reads a file that is overwritten must see one version, wholly, whatever dies in the
// middle. How: writers overwrite a few files in a whole Skein that is killed with -9, some times
// over; each file is then the version that was acknowledged last, or one that was being closed when
// everything died. At the end the store has the same, and the workers have nothing else. Seeded:
// SKEIN_SEED=n replays; SKEIN_TORTURE=full kills 30 times.
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

const kills = process.env['SKEIN_TORTURE'] === 'full' ? 30 : 2
const seed = Number(process.env['SKEIN_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const mebibyte = 1024 * 1024
const bytesMax = 5 * mebibyte
const signal = new AbortController().signal
const paths = ['/keep/a', '/keep/d/b', '/through/a', '/through/d/b']

/** One version of a file: its bytes follow from both numbers. */
interface Version {
  readonly number: number
  readonly length: number
}

describe(`overwritten files and kill -9, seed ${seed}`, () => {
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'skein-overwritten-'))
  const home = join(folder, 'home')
  mkdirSync(home)
  const definitions = {
    ...freePortProperties,
    'skein.home': home,
    'skein.ufs.allowPrivateEndpoints': 'true',
    'goosefs.worker.tieredstore.level0.dirs.quota': '4GB',
    'fs.cosn.block.size': '2MB',
  }
  /** By path: what was acknowledged last, and what may have taken its place. */
  const acknowledged = new Map<string, Version>()
  const closing = new Map<string, Version[]>()
  let beneath: Beneath
  let child: Child
  let cluster: Cluster
  let versions = 0

  const start = async (): Promise<void> => {
    const script = join(import.meta.dirname, 'support/written-files-child.ts')
    const logFile = join(folder, 'local.log')
    child = startChild(process.execPath, [script, JSON.stringify(definitions)], { logFile })
    await child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
    cluster = connectCluster(loadConfig({ mode: 'client', definitions: { 'skein.home': home }, environment: {} }))
  }
  const kill = async (): Promise<void> => {
    cluster?.close()
    await child?.end('SIGKILL')
  }
  beforeAll(async () => {
    beneath = await startBeneath()
    await start()
    const { endpoint, credential } = beneath
    const secrets = { 's3.accessKeyId': credential.accessKeyId, 's3.secretAccessKey': credential.secretAccessKey }
    for (const [name, writePolicy] of [
      ['keep', 'MUST_CACHE'],
      ['through', 'CACHE_THROUGH'],
    ] as const) {
      const attributes = { 's3.endpoint': endpoint, 's3.forcePathStyle': 'true', writePolicy }
      await cluster.master().createNamespace({ name, uri: `s3://data/${name}/`, attributes, secrets }, { signal })
    }
  })
  afterAll(async () => {
    await kill()
    await beneath?.close()
    if (process.env['SKEIN_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true })
  })

  const bytesOf = (path: string, { number, length }: Version): Buffer => contentOf(`${path} ${number}`, length)

  async function overwrite(path: string): Promise<void> {
    versions += 1
    const version = { number: versions, length: Math.floor(random() * (random() < 0.3 ? 100 : bytesMax)) }
    const bytes = bytesOf(path, version)
    const output = await cluster.files.create(path, { ifExists: 'overwrite', signal })
    for (let at = 0; at < bytes.length; at += 300_007) await output.write(bytes.subarray(at, at + 300_007))
    if (random() < 0.2) return await output.abort()
    closing.set(path, [...(closing.get(path) ?? []), version])
    await output.close()
    // The only writer of this path.
    closing.set(path, [])
    acknowledged.set(path, version)
  }

  /** The version that a file has, or what is wrong with it. */
  async function versionOf(path: string): Promise<Version | string> {
    const chunks: Uint8Array[] = []
    for await (const chunk of cluster.readFile(path, signal)) chunks.push(chunk)
    const digest = sha256(Buffer.concat(chunks))
    const candidates = [...(closing.get(path) ?? []), acknowledged.get(path)].filter((one) => one !== undefined)
    return candidates.find((one) => sha256(bytesOf(path, one)) === digest) ?? `${path} is none of its versions`
  }

  async function settleVersions(): Promise<void> {
    for (const path of paths) {
      if (!acknowledged.has(path) && (closing.get(path) ?? []).length === 0) continue
      const version = await versionOf(path).catch((error: unknown) => {
        // The very first version may not have come to be.
        if (acknowledged.has(path)) throw error
        return undefined
      })
      expect(version).not.toBeTypeOf('string')
      if (typeof version === 'object') acknowledged.set(path, version)
      closing.set(path, [])
    }
  }

  it.each(Array.from({ length: kills }, (_, index) => index + 1))('kill %i', async () => {
    const stop = new AbortController()
    let done = 0
    const lanes = paths.map(async (path) => {
      while (!stop.signal.aborted) {
        await overwrite(path).then(
          () => (done += 1),
          (error: unknown) => {
            if (!stop.signal.aborted) throw error
          },
        )
      }
    })
    await Promise.race([
      Promise.all(lanes),
      (async () => {
        while (done < 12) await new Promise((resolve) => setTimeout(resolve, 5))
        await new Promise((resolve) => setTimeout(resolve, random() * 200))
      })(),
    ])
    stop.abort()
    await kill()
    await Promise.all(lanes)
    await start()
    await settleVersions()
  })

  it('the store has the last versions, and nothing else is left', async () => {
    for (const path of paths) await overwrite(path)
    await settleVersions()
    const { failures } = await cluster.lifecycle().persist({ path: '/keep' }, { signal, deadlineMs: 120_000 })
    expect(failures).toEqual([])
    for (const [path, version] of acknowledged)
      expect(sha256(await readObject(beneath.store, path.slice(1))), path).toBe(sha256(bytesOf(path, version)))
    const objects = [...(await beneath.objects()).keys()].toSorted()
    expect(objects).toEqual([...acknowledged.keys()].map((path) => path.slice(1)).toSorted())
    expect(await beneath.uploads()).toBe(0)
    // What was replaced may be read for a minute, but not by a worker that comes back.
    await kill()
    await start()
    const visible = [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0)
    // Files whose writers died are given up after a day.
    const unfinished = kills * paths.length * bytesMax
    const usedBytes = async (): Promise<number> => {
      const { workers } = await cluster.master().listWorkers({}, { signal })
      return workers.reduce((sum, worker) => sum + worker.usedBytes, 0)
    }
    await expect.poll(usedBytes).toBeLessThanOrEqual(visible + unfinished)
    for (const [path, version] of acknowledged) expect(await versionOf(path)).toEqual(version)
  })
})
