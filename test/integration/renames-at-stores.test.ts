// Why: others write the store while Skein moves objects there, and a worker's disk may be gone with
// what no store has. How: `skein local` over an origin that is changed right then; what is read is
// held against what was written.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalSkein, oneLine } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { until } from '../support/until.ts'

const mebibyte = 1024 * 1024

describe('what is moved while the store changes', () => {
  let origin: Origin
  let skein: LocalSkein

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    skein = new LocalSkein({
      properties: { 'skein.ufs.allowPrivateEndpoints': 'true', 'fs.cosn.block.size': '1MB' },
    })
    await skein.start()
    expect(await skein.createNamespace('d', origin, 'data')).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await skein?.dispose()
    await origin?.close()
  })
  const done = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await skein.cli(...args)
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0)
    return stdout
  }
  const contentAt = async (path: string): Promise<Buffer> => {
    const to = join(skein.folder, 'read')
    rmSync(to, { force: true })
    await done('fs', 'copyToLocal', path, to)
    return readFileSync(to)
  }

  it('a file that changed at the store is read as it is there, whatever was cached of it', async () => {
    const bucket = origin.bucket('data')
    const newer = Buffer.alloc(4 * mebibyte, 0x22)
    bucket.put('m/a', Buffer.alloc(4 * mebibyte, 0x11))
    await done('fs', 'distributedLoad', '/d/m')
    bucket.put('m/a', newer)
    await done('fs', 'mv', '/d/m/a', '/d/m/b')
    expect(bucket.sortedKeys.filter((key) => key.startsWith('m/'))).toEqual(['m/b'])
    expect((await contentAt('/d/m/b')).equals(newer)).toBe(true)
    await done('fs', 'checkConsistency', '/d/m')
  })

  it('an object that somebody makes at the target meanwhile stays, and so does the source', async () => {
    const bucket = origin.bucket('data')
    const [mine, theirs] = [Buffer.alloc(1000, 1), Buffer.alloc(1000, 2)]
    bucket.put('g/a', mine)
    await done('fs', 'ls', '/d/g')
    origin.faults.add({ kind: 'delay', on: 'head', key: 'g/a', delayMs: 1500 })
    const moving = skein.cli('fs', 'mv', '/d/g/a', '/d/g/b')
    await until(
      async () => origin.faults.applied.delay,
      (delays) => delays === 1,
    )
    bucket.put('g/b', theirs)
    expect(oneLine(await moving)).toContain('/d/g/b exists already')
    expect(bucket.bytesOf('g/a').equals(mine)).toBe(true)
    expect(bucket.bytesOf('g/b').equals(theirs)).toBe(true)
  })

  it('a file takes the place of another one in one step, with its cached blocks and over a kill', async () => {
    const bucket = origin.bucket('data')
    const [old, newer] = [Buffer.alloc(3 * mebibyte, 4), Buffer.alloc(2 * mebibyte, 5)]
    bucket.put('w/latest', old)
    bucket.put('w/part', newer)
    await done('fs', 'distributedLoad', '/d/w')
    const { objectBytes } = origin.counters
    const query = 'op=RENAME&destination=/d/w/latest&renameoptions=OVERWRITE'
    const door = `http://${skein.addresses()['webhdfs'] ?? ''}/webhdfs/v1`
    expect((await fetch(`${door}/d/w/part?${query}`, { method: 'PUT' })).status).toBe(200)
    expect(bucket.sortedKeys.filter((key) => key.startsWith('w/'))).toEqual(['w/latest'])
    expect(bucket.bytesOf('w/latest').equals(newer)).toBe(true)
    await skein.child.end('SIGKILL')
    await skein.start()
    expect((await contentAt('/d/w/latest')).equals(newer)).toBe(true)
    expect(origin.counters.objectBytes).toBe(objectBytes)
    await done('fs', 'checkConsistency', '/d/w')
  })

  it('a file that no store and no worker has is named, by whoever is asked', async () => {
    const file = join(skein.folder, 'only')
    writeFileSync(file, Buffer.alloc(mebibyte, 3))
    await done('fs', 'copyFromLocal', file, '/d/only')
    await done('fsadmin', 'doctor')
    await skein.stop()
    rmSync(join(skein.home, 'worker', 'blocks'), { recursive: true })
    await skein.start()
    await until(
      () => skein.json<{ safeMode: boolean }>('fsadmin', 'report'),
      ({ safeMode }) => !safeMode,
    )
    const read = await skein.cli('fs', 'cat', '/d/only')
    expect(read.code).toBe(1)
    expect(oneLine(read)).toContain('no live worker has it; the file is not persisted')
    expect(await skein.cli('fs', 'checkConsistency', '/d')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('\n/d/only\n'),
    })
    const doctor = await skein.cli('fsadmin', 'doctor')
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining('1 file cannot be read') })
    expect(doctor.stdout).toContain('/d/only')
  })
})
