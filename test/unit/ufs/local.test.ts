import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { LocalUnderFileSystem } from '../../../src/ufs/local/local.ts'

describe('a directory as a store', () => {
  const signal = new AbortController().signal
  let base: string
  let root: string
  let store: LocalUnderFileSystem
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'skein-ufs-local-'))
    root = join(base, 'root')
    await mkdir(join(root, 'sub'), { recursive: true })
    await mkdir(join(base, 'secret'))
    await writeFile(join(base, 'secret', 'file'), 'outside')
    await writeFile(join(root, 'sub', 'file'), 'inside')
    store = new LocalUnderFileSystem(root, ['/'], new MetricRegistry())
  })
  afterEach(async () => {
    await store.close()
    await rm(base, { recursive: true })
  })
  const keys = async (): Promise<string[]> =>
    (await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 1000 }, signal)).objects
      .filter(({ problem }) => problem === undefined)
      .map(({ key }) => key)

  it('does not follow a link out of its root, nor dots, nor NUL', async () => {
    await symlink(join(base, 'secret', 'file'), join(root, 'stolen'))
    await symlink(join(base, 'secret'), join(root, 'stolen-directory'))
    await symlink('..', join(root, 'sub', 'loop'))
    await symlink('sub/file', join(root, 'alias'))
    expect(await keys()).toEqual(['alias', 'sub/file'])
    for (const key of ['stolen', 'stolen-directory/file']) {
      const wanted = { code: 'failed_precondition', reason: 'object_unusable' }
      await expect(store.stat(key, signal), key).rejects.toMatchObject(wanted)
      await expect(store.readWhole({ key, etag: 'x', offset: 0, length: 1 }, signal), key).rejects.toMatchObject(wanted)
    }
    for (const key of [
      '../secret/file',
      'sub/../../secret/file',
      '/etc/passwd',
      'sub',
      'sub/',
      '',
      'sub//file',
      'a\0b',
    ]) {
      await expect(store.stat(key, signal), key).rejects.toMatchObject({ code: 'not_found' })
      await expect(store.readWhole({ key, etag: 'x', offset: 0, length: 1 }, signal), key).rejects.toMatchObject({
        code: 'not_found',
      })
    }
    expect((await store.stat('alias', signal)).length).toBe(6)
  })

  it('notices a file that changes while it is read, and never mixes two versions', async () => {
    const large = join(root, 'large')
    const grow = (): Promise<void> => appendFile(large, 'more')
    const replace = async (): Promise<void> => {
      await writeFile(join(root, 'next'), Buffer.alloc(4 * 1024 * 1024, 2))
      await rename(join(root, 'next'), large)
    }
    const overwrite = (): Promise<void> => writeFile(large, Buffer.alloc(4 * 1024 * 1024, 3))
    for (const [change, outcome] of [
      [grow, 'object_changed'],
      [overwrite, 'object_changed'],
      [replace, 'whole'],
    ] as const) {
      await writeFile(large, Buffer.alloc(4 * 1024 * 1024, 1))
      const { etag, length } = await store.stat('large', signal)
      const reading = store.read({ key: 'large', etag, offset: 0, length }, signal)
      const chunks = [(await reading.next()).value ?? new Uint8Array(0)]
      await change()
      const rest = (async () => {
        for await (const chunk of reading) chunks.push(chunk)
        return 'whole'
      })()
      // A file that was replaced by another stays open as it was: the old version, whole.
      expect(await rest.catch((error: { reason?: string }) => error.reason)).toBe(outcome)
      if (outcome === 'whole') expect(new Set(Buffer.concat(chunks))).toEqual(new Set([1]))
      await expect(store.readWhole({ key: 'large', etag, offset: 0, length }, signal)).rejects.toMatchObject({
        reason: 'object_changed',
      })
    }
  })

  it('says what is wrong with its directory', async () => {
    await expect(
      new LocalUnderFileSystem(join(base, 'none'), ['/'], new MetricRegistry()).check(signal),
    ).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(
      new LocalUnderFileSystem(join(base, 'secret', 'file'), ['/'], new MetricRegistry()).check(signal),
    ).rejects.toMatchObject({
      code: 'failed_precondition',
    })
  })
})
