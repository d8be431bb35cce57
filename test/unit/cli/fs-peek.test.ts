import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import { type CommandResult, type FakeCluster, file, run } from './support/harness.ts'

const text = `${'a'.repeat(2000)}END`
const tree: Readonly<Record<string, FileInfo>> = {
  '/n/long': file({ path: '/n/long', length: text.length }),
  '/n/empty': file({ path: '/n/empty', length: 0 }),
  '/n/full': file({ path: '/n/full', folder: true, length: 0 }),
  '/n/bare': file({ path: '/n/bare', folder: true, length: 0 }),
}
const cluster: FakeCluster = {
  master: {
    getStatus: async ({ path }) => {
      const found = tree[path]
      if (found === undefined) throw new SkeinError('not_found', `${path} does not exist`)
      return found
    },
    listStatus: async ({ path }) => ({ files: path === '/n/full' ? [file()] : [], nextPageToken: '' }),
  },
  files: { '/n/long': [text], '/n/empty': [] },
}
const fs = (...words: string[]): Promise<CommandResult> => run(['fs', ...words], cluster)

describe('fs head and fs tail', () => {
  it('write the first or last KB, or as many bytes as are asked for', async () => {
    expect((await fs('head', '/n/long')).stdout).toBe('a'.repeat(1024))
    expect((await fs('tail', '/n/long')).stdout).toBe(text.slice(-1024))
    expect((await fs('tail', '-c', '3', '/n/long')).stdout).toBe('END')
    expect((await fs('head', '-c', '1MB', '/n/long')).stdout).toBe(text)
    expect(await fs('head', '/n/empty')).toMatchObject({ code: 0, stdout: '' })
    expect(await fs('tail', '-c', '0', '/n/long')).toMatchObject({ code: 0, stdout: '' })
  })
  it('refuse a directory, a missing file and what is no size', async () => {
    expect(await fs('head', '/n/bare')).toMatchObject({
      code: 1,
      stderr: 'skein: /n/bare is a directory; give a file\n',
    })
    expect(await fs('tail', '/n/no')).toMatchObject({ code: 2 })
    expect(await fs('head', '-c', 'x', '/n/long')).toMatchObject({ code: 64, stdout: '' })
    expect(await fs('tail', '-c', '-5', '/n/long')).toMatchObject({ code: 64, stdout: '' })
  })
})

describe('fs test', () => {
  it.each([
    ['-e', { '/n/long': 0, '/n/empty': 0, '/n/full': 0, '/n/bare': 0, '/n/no': 1 }],
    ['-f', { '/n/long': 0, '/n/empty': 0, '/n/full': 1, '/n/bare': 1, '/n/no': 1 }],
    ['-d', { '/n/long': 1, '/n/empty': 1, '/n/full': 0, '/n/bare': 0, '/n/no': 1 }],
    ['-s', { '/n/long': 0, '/n/empty': 1, '/n/full': 0, '/n/bare': 1, '/n/no': 1 }],
    ['-z', { '/n/long': 1, '/n/empty': 0, '/n/full': 1, '/n/bare': 1, '/n/no': 1 }],
  ] as const)('%s answers by its exit code, and says nothing', async (flag, expected) => {
    for (const [path, code] of Object.entries(expected))
      expect([path, await fs('test', flag, path)]).toMatchObject([path, { code, stdout: '', stderr: '' }])
  })
  it('has a JSON form, and wants exactly one question', async () => {
    expect(await fs('test', '-d', '/n/no', '--format', 'json')).toMatchObject({
      code: 1,
      stdout: '{"path":"/n/no","test":"d","result":false}\n',
    })
    expect(await fs('test', '/n/long')).toMatchObject({ code: 64 })
    expect(await fs('test', '-d', '-f', '/n/long')).toMatchObject({ code: 64 })
    expect(await fs('test', '-q', '/n/long')).toMatchObject({ code: 64 })
  })
  it('an error is not the answer no', async () => {
    const down = { master: { getStatus: () => Promise.reject(new SkeinError('unauthenticated', 'who are you')) } }
    expect((await run(['fs', 'test', '-e', '/n/x'], down)).stderr).toContain('who are you')
  })
})

describe('fs ls -h', () => {
  it('writes sizes with units', async () => {
    const large = file({ length: 12 * 1024 ** 2 })
    const one: FakeCluster = { master: { listStatus: async () => ({ files: [large], nextPageToken: '' }) } }
    expect((await run(['fs', 'ls', '-h', '/data'], one)).stdout).toContain('        12.00MB       PERSISTED')
    expect((await run(['fs', 'ls', '/data'], one)).stdout).toContain('       12582912       PERSISTED')
  })
})
