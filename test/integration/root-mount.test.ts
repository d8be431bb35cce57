// Why: a store at `/` is seen by every command and door at once. How: `skein local` with the root
// mount of its home, commands, the doors and a mount of the kernel; then the home moves, and the
// key says other things.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isInstalled } from '../support/child.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'

const key = 'goosefs.master.mount.table.root.ufs'
const canMount = existsSync('/dev/fuse') && process.getuid?.() === 0 && isInstalled('mount')
const run = promisify(execFile)

let skein: LocalSkein
let root: string
let store: string

beforeAll(async () => {
  skein = await LocalSkein.start()
  root = join(skein.home, 'root')
  store = join(skein.folder, 'store')
  for (const directory of [join(root, 'data/sub'), join(root, 'logs'), store]) mkdirSync(directory, { recursive: true })
  writeFileSync(join(root, 'top'), 'of the root')
  writeFileSync(join(root, 'data/one'), 'hidden later')
  writeFileSync(join(root, 'data/sub/two'), 'hidden too')
  writeFileSync(join(root, 'logs/a b'), 'with a blank')
  writeFileSync(join(store, 'own'), 'of the namespace')
})
afterAll(() => skein?.dispose())

async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await skein.cli(...args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

async function names(path: string, ...more: readonly string[]): Promise<string[]> {
  const { entries } = await skein.json<{ entries: { path: string }[] }>('fs', 'ls', ...more, path)
  return entries.map((entry) => entry.path)
}

describe('the root mount of skein local', () => {
  it('is there without a word, and every command knows it', async () => {
    expect(skein.log()).not.toContain('root mount')
    expect(await done('ns', 'ls')).toContain(`/          file://${root}`)
    expect(await names('/')).toEqual(['/data', '/logs', '/top'])
    expect(await done('fs', 'cat', '/logs/a b')).toBe('with a blank')
    expect(await done('fs', 'mkdir', '/made/deep')).toContain('/made/deep')
    await done('fs', 'cp', '/top', '/made/copy')
    await done('fs', 'mv', '/made/copy', '/copy')
    expect(await done('fs', 'cat', '/copy')).toBe('of the root')
    await done('fs', 'persist', '/copy')
    expect(readFileSync(join(root, 'copy'), 'utf8')).toBe('of the root')
    await done('fs', 'rm', '/copy')
    expect(existsSync(join(root, 'copy'))).toBe(false)
    await done('fs', 'rm', '-R', '/made')
    expect(await done('fs', 'distributedLoad', '/')).toContain(
      'Total completed file count is 4, failed file count is 0',
    )
    expect(await done('fs', 'distributedLoad', '/logs', '/top')).toContain('Total completed file count is 2')
    expect(await done('fs', 'count', '/')).toMatch(/\n4 +4 +/)
    await done('fs', 'checkConsistency', '/')
    await done('fs', 'loadMetadata', '-R', '/')
    await done('fs', 'pin', '/logs')
    await done('fs', 'unpin', '/logs')
    await done('fs', 'setTtl', '/logs', '3600000')
    expect(await done('fs', 'free', '/logs')).toContain('/logs was successfully freed')
    expect(await done('ns', 'stat', '--root')).toContain('Namespace: /\nPath: /\n')
    await done('ns', 'update', '--root', '--attribute', 'readOnly=true')
    expect(oneLine(await skein.cli('fs', 'touch', '/no'))).toContain('/ is read-only')
    await done('ns', 'update', '--root', '--remove-attribute', 'readOnly')
  })

  it('gives way to a namespace, and is whole again when it has gone', async () => {
    const load = ['fs', 'distributedLoad', '/data'] as const
    await done(...load)
    const before = await skein.json<{ fileId: number }>('fs', 'stat', '/data/one')
    expect(await done('ns', 'create', 'data', `file://${store}`)).toContain(
      `/data is file://${store}. It hides what the root mount has at /data`,
    )
    expect(await done('ns', 'create', 'fresh', `file://${store}`)).not.toContain('hides')
    await done('ns', 'delete', 'fresh')
    expect(await names('/', '-R')).toEqual(['/data', '/data/own', '/logs', '/logs/a b', '/top'])
    expect(await skein.cli('fs', 'cat', '/data/one')).toMatchObject({ code: 2 })
    expect(await done('fs', 'distributedLoad', '/')).toContain('Total completed file count is 2')
    const mixed = await skein.cli('fs', 'distributedLoad', '/top', '/data/own')
    expect(mixed).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('all paths of a load must be in one namespace'),
    })
    expect(oneLine(await skein.cli('fs', 'mv', '/top', '/data/top'))).toContain('mv across namespaces is not supported')
    await done('ns', 'delete', 'data')
    expect(await done('fs', 'cat', '/data/sub/two')).toBe('hidden too')
    expect(await skein.json('fs', 'stat', '/data/one')).toMatchObject({ ...before, cachedBytes: 12 })
  })
})

describe('the doors', () => {
  it('WebHDFS has both below /, writes there, and moves within the root mount only', async () => {
    const door = `http://${skein.addresses()['webhdfs'] ?? ''}/webhdfs/v1`
    const ask = async (method: string, path: string): Promise<unknown> =>
      (await fetch(`${door}${path}`, { method })).json()
    await done('ns', 'create', 'ns', `file://${store}`)
    const listed = JSON.stringify(await ask('GET', '/?op=LISTSTATUS'))
    for (const name of ['data', 'logs', 'ns', 'top']) expect(listed).toContain(`"pathSuffix":"${name}"`)
    expect(await ask('GET', '/?op=LISTSTATUS_BATCH&startafter=logs')).toMatchObject({
      DirectoryListing: {
        partialListing: { FileStatuses: { FileStatus: [{ pathSuffix: 'ns' }, { pathSuffix: 'top' }] } },
      },
    })
    expect(await ask('PUT', '/web/dir?op=MKDIRS')).toEqual({ boolean: true })
    expect(await ask('PUT', '/web?op=RENAME&destination=/web2')).toEqual({ boolean: true })
    expect(await ask('PUT', '/web2/dir?op=RENAME&destination=/moved')).toEqual({ boolean: true })
    expect(await ask('PUT', '/moved?op=RENAME&destination=/ns/moved')).toMatchObject({
      RemoteException: { message: expect.stringContaining('cannot be moved to another namespace') },
    })
    expect(await ask('PUT', '/ns?op=RENAME&destination=/other')).toMatchObject({
      RemoteException: { exception: 'IOException' },
    })
    expect(await ask('DELETE', '/ns?op=DELETE&recursive=true')).toMatchObject({
      RemoteException: { exception: 'AccessControlException' },
    })
    expect(await ask('DELETE', '/moved?op=DELETE&recursive=true')).toEqual({ boolean: true })
    const place = await fetch(`${door}/new?op=CREATE`, { method: 'PUT', redirect: 'manual' })
    expect((await fetch(place.headers.get('location') ?? '', { method: 'PUT', body: 'by hand' })).status).toBe(201)
    expect(await (await fetch(`${door}/new?op=OPEN`)).text()).toBe('by hand')
    const trash = async (path: string) => ask('GET', `${path}?op=GETTRASHROOT&user.name=ann`)
    expect([await trash('/ns/x'), await trash('/top')]).toEqual([
      { Path: '/ns/.Trash/ann' },
      { Path: '/user/ann/.Trash' },
    ])
  })

  it('S3 has namespaces as buckets, and nothing of the root mount', async () => {
    const door = `http://${skein.addresses()['s3'] ?? ''}`
    const buckets = await (await fetch(`${door}/`)).text()
    expect(buckets).toContain('<Name>ns</Name>')
    expect(buckets).not.toMatch(/<Name>(data|logs|top|new)</)
    expect(await (await fetch(`${door}/ns/own`)).text()).toBe('of the namespace')
    for (const [method, path] of [
      ['GET', '/data/one'],
      ['GET', '/data?list-type=2'],
      ['HEAD', '/logs'],
      ['PUT', '/data/new'],
      ['PUT', '/nothing/new'],
      ['DELETE', '/data/one'],
    ] as const) {
      const body = method === 'PUT' ? { body: 'x' } : {}
      const answer = await fetch(`${door}${path}`, { method, ...body })
      expect([path, answer.status]).toEqual([path, 404])
      if (method !== 'HEAD') expect(await answer.text()).toContain('<Code>NoSuchBucket</Code>')
    }
    const copy = await fetch(`${door}/ns/copy`, { method: 'PUT', headers: { 'x-amz-copy-source': '/data/one' } })
    expect([copy.status, await copy.text()]).toEqual([404, expect.stringContaining('NoSuchBucket')])
    expect(await names('/nothing').catch(() => [])).toEqual([])
  })

  it.runIf(canMount)('the kernel has both below a mount of /, and moves within the root mount', async () => {
    const point = join(skein.folder, 'mnt')
    mkdirSync(point)
    const { child } = skein.startCli('fuse', 'mount', point)
    try {
      await child.line((line) => (line.startsWith('{"ready":"fuse"') ? line : undefined), 60_000)
      expect(readdirSync(point).toSorted()).toEqual(['data', 'logs', 'new', 'ns', 'top', 'web2'])
      expect(readFileSync(join(point, 'top'), 'utf8')).toBe('of the root')
      const shell = async (text: string) => (await run('bash', ['-c', `set -e; ${text}`], { cwd: point })).stdout
      await shell('echo written > file; mkdir -p made/deep; mv file made/deep/; mv made/deep made2; cat made2/file')
      await shell('mv made2/file ns/file; cat ns/file; rm -r made made2')
      expect(await done('fs', 'cat', '/ns/file')).toBe('written\n')
      expect(readdirSync(point).toSorted()).toEqual(['data', 'logs', 'new', 'ns', 'top', 'web2'])
    } finally {
      await child.end('SIGTERM')
      await run('umount', ['-l', point]).catch(() => undefined)
    }
  })
})

describe('the key', () => {
  it('follows the home, is switched off, and refuses another URI', async () => {
    await skein.stop('SIGTERM')
    const moved = new LocalSkein()
    const others: LocalSkein[] = []
    const started = async (value: string): Promise<LocalSkein> => {
      const other = new LocalSkein({ properties: { [key]: value } })
      others.push(other)
      return other
    }
    try {
      rmSync(moved.home, { recursive: true })
      cpSync(skein.home, moved.home, { recursive: true })
      rmSync(join(moved.home, 'skein.json'), { force: true })
      writeFileSync(join(moved.home, 'root/top'), 'of the moved root')
      await moved.start()
      expect((await moved.cli('fs', 'cat', '/top')).stdout).toBe('of the moved root')
      expect((await moved.cli('fs', 'cat', '/new')).stdout).toBe('by hand')

      const off = await started('none')
      await off.start()
      expect(existsSync(join(off.home, 'root'))).toBe(false)
      expect((await off.cli('ns', 'ls')).stdout).not.toContain('/')
      expect(await off.cli('fs', 'touch', '/file')).toMatchObject({ code: 64 })
      expect(oneLine(await off.cli('fs', 'distributedLoad', '/'))).toContain('there is no root mount')
      expect((await off.cli('ns', 'create', '--root', `file://${store}`)).stdout).toBe(
        `The root mount was created: / is file://${store}\n`,
      )
      expect((await off.cli('fs', 'cat', '/own')).stdout).toBe('of the namespace')
      expect((await off.cli('ns', 'delete', '--root')).stdout).toBe('The root mount was deleted.\n')
      await off.stop('SIGTERM')

      const given = await started(store)
      await given.start()
      expect((await given.cli('fs', 'cat', '/own')).stdout).toBe('of the namespace')
      await given.stop('SIGTERM')
      const again = await started(`file://${root}`)
      rmSync(again.home, { recursive: true })
      cpSync(given.home, again.home, { recursive: true })
      await expect(again.start()).rejects.toThrow()
      expect(again.log()).toContain(`${key} is file://${root}, but the root mount is file://${store} already`)
    } finally {
      for (const one of [moved, ...others]) await one.dispose()
    }
  })
})
