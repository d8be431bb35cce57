import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import { type CommandResult, type FakeCluster, file, run } from './support/harness.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'skein-cli-copy-'))
})
afterEach(() => rmSync(directory, { recursive: true }))
const at = (...names: string[]): string => join(directory, ...names)
const sortedLines = (text: string): string[] => text.trimEnd().split('\n').sort()

describe('fs copyFromLocal', () => {
  let made: string[] = []
  let written = new Map<string, Buffer>()
  beforeEach(() => {
    made = []
    written = new Map()
  })
  const copy = async (
    local: string,
    path: string,
    more: Partial<FakeCluster> = {},
    ...flags: string[]
  ): Promise<CommandResult> =>
    run(['fs', 'copyFromLocal', local, path, ...flags], {
      master: {
        getStatus: async ({ path: asked }) => {
          if (asked !== '/a') throw new SkeinError('not_found', `${asked} does not exist`)
          return file({ path: asked, folder: true })
        },
      },
      lifecycle: {
        makeDirectory: async ({ path: asked }) => {
          made.push(asked)
          return {}
        },
      },
      written,
      ...more,
    })
  const texts = (): Record<string, string> =>
    Object.fromEntries([...written].map(([path, bytes]) => [path, bytes.toString()]))

  it('a file goes to the path, or into it where it is a directory', async () => {
    writeFileSync(at('x'), 'bytes')
    expect(await copy(at('x'), '/a/new')).toMatchObject({
      code: 0,
      stdout: `Copied file://${at('x')} to /a/new\n`,
      stderr: '',
    })
    await copy(`file://${at('x')}`, '/a')
    await copy(at('x'), '/a/d/')
    expect(texts()).toEqual({ '/a/new': 'bytes', '/a/x': 'bytes', '/a/d/x': 'bytes' })
  })
  it('a large file keeps its bytes, an empty one is a file', async () => {
    const large = Buffer.alloc(3 * 1024 ** 2 + 17, 'abcdefg')
    writeFileSync(at('large'), large)
    writeFileSync(at('empty'), '')
    await copy(at('large'), '/a/large')
    await copy(at('empty'), '/a/empty')
    expect(written.get('/a/large')?.equals(large)).toBe(true)
    expect(written.get('/a/empty')?.length).toBe(0)
  })
  it('what is in a directory goes into the path, empty directories and odd names too', async () => {
    mkdirSync(at('t', 'sub', 'deep'), { recursive: true })
    mkdirSync(at('t', 'empty'))
    writeFileSync(at('t', '1'), 'one')
    writeFileSync(at('t', 'sub', 'ü %20+&'), 'two')
    writeFileSync(at('t', 'sub', 'deep', '3'), 'three')
    symlinkSync(at('t', '1'), at('t', 'link'))
    const { code, stdout } = await copy(at('t'), '/a/t')
    expect(code).toBe(0)
    expect(texts()).toEqual({
      '/a/t/1': 'one',
      '/a/t/link': 'one',
      '/a/t/sub/ü %20+&': 'two',
      '/a/t/sub/deep/3': 'three',
    })
    expect(made.sort()).toEqual(['/a/t', '/a/t/empty', '/a/t/sub', '/a/t/sub/deep'])
    expect(stdout.endsWith(`Copied file://${at('t')} to /a/t\n`)).toBe(true)
    expect(sortedLines(stdout)).toHaveLength(5)
  })
  it('names what it cannot copy, goes on, and is partial', async () => {
    mkdirSync(at('t', 'sub'), { recursive: true })
    for (const name of ['1', '2']) writeFileSync(at('t', name), name)
    symlinkSync(at('t', 'sub'), at('t', 'circle'))
    symlinkSync(at('nowhere'), at('t', 'dangling'))
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(at('t', 'socket'), resolve))
    onTestFinished(() => void server.close())
    written.set('/a/t/2', Buffer.from('older'))
    const { code, stdout, stderr } = await copy(at('t'), '/a/t')
    expect([code, stdout]).toEqual([3, `Copied file://${at('t', '1')} to /a/t/1\n`])
    expect(sortedLines(stderr)).toEqual([
      `skein: file://${at('t', '2')}: /a/t/2 exists already: remove it first`,
      `skein: file://${at('t', 'circle')}: a link to a directory is not followed`,
      `skein: file://${at('t', 'dangling')}: file://${at('t', 'dangling')} does not exist`,
      `skein: file://${at('t', 'socket')}: neither a file nor a directory`,
    ])
    expect(texts()).toEqual({ '/a/t/1': '1', '/a/t/2': 'older' })
    const json = await copy(at('t'), '/a/u', {}, '--format', 'json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      from: `file://${at('t')}`,
      to: '/a/u',
      files: 2,
      bytes: 2,
      filesFailed: 3,
    })
  })
  it('a name that no key can have is named', async () => {
    mkdirSync(at('t'))
    writeFileSync(at('t', 'n'.repeat(200)), '')
    const { code, stderr } = await copy(at('t'), `/a/${'p/'.repeat(450)}`)
    expect([code, written.size]).toEqual([1, 0])
    expect(stderr).toContain('longer than 1024 bytes')
  })
  it('what is not there, no file, unreadable or there already is one line', async () => {
    expect(await copy(at('no'), '/a')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `skein: file://${at('no')} does not exist\n`,
    })
    expect((await copy('/dev/null', '/a')).stderr).toBe('skein: file:///dev/null is neither a file nor a directory\n')
    writeFileSync(at('x'), 'x')
    written.set('/a/x', Buffer.from('old'))
    expect(await copy(at('x'), '/a/x')).toMatchObject({
      code: 1,
      stderr: 'skein: /a/x exists already: remove it first\n',
    })
    chmodSync(at('x'), 0)
    if (process.getuid?.() !== 0)
      expect((await copy(at('x'), '/a/y')).stderr).toContain('is not accessible: permission denied')
  })
  it('a file that changes meanwhile is not copied', async () => {
    writeFileSync(at('x'), Buffer.alloc(2 * 1024 ** 2))
    const { code, stderr } = await copy(at('x'), '/a/x', { onChunk: () => appendFileSync(at('x'), 'more') })
    expect([code, stderr]).toEqual([1, `skein: file://${at('x')} changed while it was read; copy it again\n`])
    expect(written.size).toBe(0)
  })
  it('ends when the cluster is gone, with one line', async () => {
    mkdirSync(at('t'))
    for (let index = 0; index < 50; index += 1) writeFileSync(at('t', String(index)), 'x')
    let asked = 0
    const gone = new (class extends Map<string, Buffer> {
      override has(): boolean {
        asked += 1
        throw new SkeinError('unavailable', 'gone', { reason: 'unreachable' })
      }
    })()
    expect(await copy(at('t'), '/a/t', { written: gone })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'skein: gone; is it running?\n',
    })
    expect(asked).toBeLessThanOrEqual(8)
  })
})

describe('fs copyToLocal', () => {
  /** A cluster with these files; a path that ends in `/` is a directory. */
  const holding = (contents: Readonly<Record<string, string>>): FakeCluster => {
    const infos = Object.keys(contents).map((path) =>
      file({ path: path.replace(/\/$/, ''), folder: path.endsWith('/') }),
    )
    return {
      master: {
        getStatus: async ({ path }): Promise<FileInfo> => {
          const found = infos.find((one) => one.path === path)
          if (found !== undefined) return found
          if (!infos.some((one) => one.path.startsWith(`${path}/`)))
            throw new SkeinError('not_found', `${path} does not exist`)
          return file({ path, folder: true })
        },
        listStatus: async ({ pageToken }) => ({
          files: infos.slice(Number(pageToken), Number(pageToken) + 2),
          nextPageToken: Number(pageToken) + 2 < infos.length ? String(Number(pageToken) + 2) : '',
        }),
      },
      files: Object.fromEntries(
        Object.entries(contents).map(([path, text]) => [path, [text.slice(0, 1), text.slice(1)]]),
      ),
    }
  }
  const copy = async (cluster: FakeCluster, path: string, local: string, ...flags: string[]): Promise<CommandResult> =>
    run(['fs', 'copyToLocal', path, local, ...flags], cluster)

  it('a file goes to the local path, or into it where it is a directory', async () => {
    const cluster = holding({ '/a/x': 'bytes' })
    expect(await copy(cluster, '/a/x', at('y'))).toMatchObject({
      code: 0,
      stdout: `Copied /a/x to file://${at('y')}\n`,
      stderr: '',
    })
    await copy(cluster, '/a/x', directory)
    expect(readdirSync(directory).sort()).toEqual(['x', 'y'])
    expect([readFileSync(at('x'), 'utf8'), readFileSync(at('y'), 'utf8')]).toEqual(['bytes', 'bytes'])
  })
  it('never overwrites without -f', async () => {
    const cluster = holding({ '/a/x': 'bytes' })
    writeFileSync(at('x'), 'mine')
    expect(await copy(cluster, '/a/x', at('x'))).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `skein: file://${at('x')} exists; -f replaces it\n`,
    })
    expect(readFileSync(at('x'), 'utf8')).toBe('mine')
    expect((await copy(cluster, '/a/x', at('x'), '-f')).code).toBe(0)
    expect(readFileSync(at('x'), 'utf8')).toBe('bytes')
    symlinkSync(at('nowhere'), at('dangling'))
    expect((await copy(cluster, '/a/x', at('dangling'))).code).toBe(1)
    expect(existsSync(at('nowhere'))).toBe(false)
  })
  it('a file that comes up meanwhile is not overwritten', async () => {
    const cluster = { ...holding({ '/a/x': 'bytes' }), onChunk: () => writeFileSync(at('x'), 'mine') }
    expect((await copy(cluster, '/a/x', at('x'))).code).toBe(1)
    expect([readFileSync(at('x'), 'utf8'), readdirSync(directory)]).toEqual(['mine', ['x']])
  })
  it('what is in a directory goes into the local one', async () => {
    const cluster = holding({
      '/a/1': 'one',
      '/a/sub/': '',
      '/a/sub/ü %2F': 'two',
      '/a/sub/deep/3': '',
      '/a/empty/': '',
    })
    const { code, stdout } = await copy(cluster, '/a', at('new', 'place'))
    expect(code).toBe(0)
    expect(readFileSync(at('new', 'place', '1'), 'utf8')).toBe('one')
    expect(readFileSync(at('new', 'place', 'sub', 'ü %2F'), 'utf8')).toBe('two')
    expect(readFileSync(at('new', 'place', 'sub', 'deep', '3'), 'utf8')).toBe('')
    expect(readdirSync(at('new', 'place', 'empty'))).toEqual([])
    expect(readdirSync(at('new', 'place')).sort()).toEqual(['1', 'empty', 'sub'])
    expect(stdout.endsWith(`Copied /a to file://${at('new', 'place')}\n`)).toBe(true)
    const json = await copy(cluster, '/a', at('other'), '--format', 'json')
    expect(JSON.parse(json.stdout)).toEqual({
      from: '/a',
      to: `file://${at('other')}`,
      files: 3,
      bytes: 6,
      filesFailed: 0,
      failedFiles: [],
    })
  })
  it('refuses names that lead out of the directory or are none', async () => {
    mkdirSync(at('out'))
    const bad = ['/a/../evil', '/a/sub/../../evil', '/a//evil', '/a/./x', '/b/evil', '/a/nul\0']
    const cluster = holding(Object.fromEntries([...bad, '/a/good'].map((path) => [path, 'x'])))
    const { code, stdout, stderr } = await copy(cluster, '/a', at('out'))
    expect([code, stdout]).toEqual([3, `Copied /a/good to file://${at('out', 'good')}\n`])
    expect(sortedLines(stderr)).toHaveLength(bad.length)
    expect([readdirSync(directory), readdirSync(at('out'))]).toEqual([['out'], ['good']])
  })
  it('does not follow a link out of the directory', async () => {
    for (const name of ['out', 'elsewhere']) mkdirSync(at(name))
    symlinkSync(at('elsewhere'), at('out', 'sub'))
    const { code, stderr } = await copy(holding({ '/a/sub/x': 'x', '/a/sub/deep/y': 'y' }), '/a', at('out'))
    expect([code, readdirSync(at('elsewhere'))]).toEqual([1, []])
    expect(stderr).toContain('is a link that leads out of')
  })
  it('a file where a directory has to be, and the other way round, is named; the others are copied', async () => {
    mkdirSync(at('out', 'd'), { recursive: true })
    writeFileSync(at('out', 'f'), 'mine')
    const { code, stderr } = await copy(holding({ '/a/d': 'x', '/a/f/y': 'y', '/a/z': 'z' }), '/a', at('out'), '-f')
    expect([code, readdirSync(at('out')).sort(), readFileSync(at('out', 'f'), 'utf8')]).toEqual([
      3,
      ['d', 'f', 'z'],
      'mine',
    ])
    expect(sortedLines(stderr)).toEqual([
      `skein: /a/d: file://${at('out', 'd')} is a directory`,
      `skein: /a/f/y: file://${at('out', 'f')} exists and is not a directory`,
    ])
  })
  it('leaves nothing behind when reading fails', async () => {
    const cluster = {
      ...holding({ '/a/x': 'bytes' }),
      onChunk: () => {
        throw new SkeinError('permission_denied', 'no replica is sound')
      },
    }
    expect(await copy(cluster, '/a/x', at('x'))).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'skein: no replica is sound\n',
    })
    expect(readdirSync(directory)).toEqual([])
  })
  it('a file that nobody can give does not keep the others back', async () => {
    let chunks = 0
    const onChunk = (): void => {
      chunks += 1
      if (chunks === 1) throw new SkeinError('permission_denied', 'no replica and no store has it')
    }
    const { code, stderr } = await copy(
      { ...holding({ '/a/1': 'x', '/a/2': 'y', '/a/3': 'z' }), onChunk },
      '/a',
      at('out'),
    )
    expect(code).toBe(3)
    expect(stderr).toMatch(/^skein: \/a\/[123]: no replica and no store has it\n$/)
    expect(readdirSync(at('out'))).toHaveLength(2)
  })
  it('what is not there exits 2, a missing directory is named', async () => {
    expect(await copy(holding({}), '/a/no', at('x'))).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'skein: /a/no does not exist\n',
    })
    const { code, stderr } = await copy(holding({ '/a/x': 'bytes' }), '/a/x', at('no', 'x'))
    expect([code, stderr]).toEqual([2, `skein: file://${at('no')} does not exist\n`])
  })
})
