import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import { type CommandResult, file, run } from './support/harness.ts'

/** Files by their path; paths without a text are directories. */
const bytes: Readonly<Record<string, string | undefined>> = {
  '/n/a': 'alpha',
  '/n/d': undefined,
  '/n/d/one': '1',
  '/n/d/sub': undefined,
  '/n/d/sub/two': '22',
  '/n/e': undefined,
}
const infoOf = (path: string): FileInfo => {
  if (!Object.hasOwn(bytes, path)) throw new SkeinError('not_found', `${path} does not exist`)
  return file({ path, folder: bytes[path] === undefined, length: bytes[path]?.length ?? 0 })
}

async function fs(...words: string[]): Promise<CommandResult & { written: Record<string, string>; made: string[] }> {
  const made: string[] = []
  const written = new Map<string, Buffer>([['/n/taken', Buffer.from('kept')]])
  const result = await run(['fs', ...words], {
    master: {
      getStatus: async ({ path }) =>
        path === '/' ? { ...infoOf('/n/d'), path, mountPoint: false } : infoOf(path.replace(/(?<=.)\/$/, '')),
      listStatus: async ({ path }) => ({
        files: Object.keys(bytes)
          .filter((name) => name.startsWith(`${path}/`))
          .map(infoOf),
        nextPageToken: '',
      }),
    },
    lifecycle: {
      makeDirectory: async ({ path }) => {
        made.push(path)
        return {}
      },
    },
    files: Object.fromEntries(
      Object.entries(bytes).flatMap(([path, text]) => (text === undefined ? [] : [[path, [text]]])),
    ),
    written,
  })
  written.delete('/n/taken')
  return {
    ...result,
    made,
    written: Object.fromEntries([...written].map(([path, buffer]) => [path, buffer.toString()])),
  }
}

describe('fs touch', () => {
  it('creates an empty file, and keeps one that exists', async () => {
    expect(await fs('touch', '/n/new')).toMatchObject({
      code: 0,
      stdout: '/n/new has been created\n',
      written: { '/n/new': '' },
    })
    expect(await fs('touch', '/n/taken')).toMatchObject({
      code: 1,
      stderr: 'skein: /n/taken exists already: remove it first\n',
    })
    expect(await fs('touch', '/n/dir/')).toMatchObject({ code: 64, written: {} })
    expect(await fs('touch', '/')).toMatchObject({ code: 64, written: {} })
  })
})

describe('fs cp', () => {
  it('copies a file to a path, or into a directory', async () => {
    expect(await fs('cp', '/n/a', '/n/b')).toMatchObject({
      code: 0,
      stdout: 'Copied /n/a to /n/b\n',
      written: { '/n/b': 'alpha' },
    })
    expect((await fs('cp', '/n/a', '/n/e')).written).toEqual({ '/n/e/a': 'alpha' })
    expect((await fs('cp', '/n/a', '/n/x/')).written).toEqual({ '/n/x/a': 'alpha' })
  })
  it('copies a directory with -R only, to a new path or into one that exists', async () => {
    expect(await fs('cp', '/n/d', '/n/c')).toMatchObject({ code: 64, written: {} })
    const copied = await fs('cp', '-R', '/n/d', '/n/c')
    expect(copied).toMatchObject({ code: 0, written: { '/n/c/one': '1', '/n/c/sub/two': '22' } })
    expect(copied.made).toEqual(['/n/c', '/n/c/sub'])
    expect((await fs('cp', '-R', '/n/d', '/n/e')).written).toEqual({ '/n/e/d/one': '1', '/n/e/d/sub/two': '22' })
  })
  it('refuses itself, its own inside, the root, a target that exists and a source that does not', async () => {
    expect(await fs('cp', '/n/a', '/n/a')).toMatchObject({ code: 64, written: {} })
    expect(await fs('cp', '-R', '/n/d', '/n/d/sub')).toMatchObject({ code: 64, written: {} })
    expect(await fs('cp', '-R', '/n/d', '/n/d/new')).toMatchObject({ code: 64, written: {} })
    expect(await fs('cp', '/n/a', '/')).toMatchObject({ code: 64, written: {} })
    expect(await fs('cp', '/n/a', '/n/taken')).toMatchObject({ code: 1, written: {} })
    expect(await fs('cp', '/n/no', '/n/b')).toMatchObject({ code: 2, written: {} })
  })
  it('copies from and to this host with file://', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'skein-cli-cp-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'x'), 'local')
    expect((await fs('cp', `file://${directory}/x`, '/n/b')).written).toEqual({ '/n/b': 'local' })
    expect(await fs('cp', '/n/a', `file://${directory}/y`)).toMatchObject({ code: 0 })
    expect(readFileSync(join(directory, 'y'), 'utf8')).toBe('alpha')
    expect(await fs('cp', `file://${directory}/x`, `file://${directory}/z`)).toMatchObject({ code: 64 })
  })
})
