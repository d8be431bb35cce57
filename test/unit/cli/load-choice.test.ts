import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expandBraces, isTemplate } from '../../../src/cli/load/brace-template.ts'
import type { LoadOptions, StageIndexRequest, SubmitLoadRequest } from '../../../src/wire/generated/job.ts'
import { NamespaceInfo } from '../../../src/wire/generated/master.ts'
import { type CommandResult, load, run } from './support/harness.ts'

const home = mkdtempSync(join(tmpdir(), 'skein-choice-'))
afterAll(() => rmSync(home, { recursive: true }))

describe('brace templates', () => {
  it.each([
    ['a{1..3}b', ['a1b', 'a2b', 'a3b']],
    ['{08..11}', ['08', '09', '10', '11']],
    ['{3..1}', ['3', '2', '1']],
    ['{0..6..3}', ['0', '3', '6']],
    ['{-1..1}', ['-1', '0', '1']],
    ['{a..c}', ['a', 'b', 'c']],
    ['x{a,b{1,2},}y', ['xay', 'xb1y', 'xb2y', 'xy']],
    ['{a,b}-{1..2}', ['a-1', 'a-2', 'b-1', 'b-2']],
    ['{x}', ['{x}']],
    ['{x}{a,b}', ['{x}a', '{x}b']],
    ['a{b', ['a{b']],
    ['\\{a,b\\}', ['{a,b}']],
    ['plain', ['plain']],
  ])('%s', (text, names) => {
    expect([...expandBraces(text)]).toEqual(names)
  })
  it('knows a template from a name', () => {
    expect([isTemplate('a{1..2}'), isTemplate('\\{a\\}'), isTemplate('{x}'), isTemplate('a')]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
  it('makes the names one by one', () => {
    const names = expandBraces('{0000000..9999999}')
    expect(names.next().value).toBe('0000000')
    expect(() => expandBraces('{0..10000000}').next()).toThrow('0..10000000 expands to more than 10000000 names')
  })
})

/** Runs distributedLoad against a job master that takes everything. */
async function submit(
  ...args: readonly string[]
): Promise<CommandResult & { staged: StageIndexRequest[]; submitted: SubmitLoadRequest[] }> {
  return submitTo({ hasRoot: false }, ...args)
}

async function submitTo(
  { hasRoot }: { readonly hasRoot: boolean },
  ...args: readonly string[]
): Promise<CommandResult & { staged: StageIndexRequest[]; submitted: SubmitLoadRequest[] }> {
  const staged: StageIndexRequest[] = []
  const submitted: SubmitLoadRequest[] = []
  const jobs = {
    stageIndex: async (request: StageIndexRequest) => {
      staged.push(request)
      return {}
    },
    submitLoad: async (request: SubmitLoadRequest) => {
      submitted.push(request)
      return { loadId: 'L42', joined: false }
    },
    getLoad: async () => load('COMPLETED', { files: 3, filesLoaded: 3 }),
  }
  const names = hasRoot ? ['', 'ns', 'other'] : ['ns', 'other']
  const master = {
    listNamespaces: async () => ({ namespaces: names.map((name) => NamespaceInfo.fromPartial({ name })) }),
  }
  return { ...(await run(['fs', 'distributedLoad', ...args], { jobs, master }, { home })), staged, submitted }
}

describe('what is submitted', () => {
  it('one path goes as it is, everything else is staged in parts and named by what it has in common', async () => {
    expect((await submit('/ns/{x}')).submitted).toMatchObject([{ path: '/ns/{x}' }])
    const { staged, submitted, code } = await submit(
      '/ns/d/shard-{0000..1499}.tar',
      '/ns/d/more',
      '/ns/d/shard-0003.tar',
    )
    expect(code).toBe(0)
    expect(staged.map(({ indexId, part, items }) => [indexId, part, items.length])).toEqual([
      ['unique', 0, 1000],
      ['unique', 1, 501],
    ])
    expect(submitted).toMatchObject([{ path: '/ns/d', indexId: 'unique' }])
  })
  it('an index file has paths, replicas, comments and blank lines', async () => {
    const file = join(home, 'list')
    writeFileSync(file, '\uFEFF# list\n\n/ns/a/x,2\r\n  gfs://h:1/ns/a/b/y z\n/ns/a/q,r , 3\n/ns/a/x,2')
    const { staged, submitted } = await submit('--index', file)
    expect(staged[0]?.items).toEqual([
      { path: '/ns/a/x', replication: 2 },
      { path: '/ns/a/b/y z' },
      { path: '/ns/a/q,r', replication: 3 },
    ])
    expect(submitted).toMatchObject([{ path: '/ns/a' }])
    expect((await submit('--index', '--replication', '2', file)).staged[0]?.items).toHaveLength(3)
    writeFileSync(file, 'x\ny/z\n')
    expect((await submit('--index', file, '/ns/base/')).staged[0]?.items).toEqual([
      { path: '/ns/base/x' },
      { path: '/ns/base/y/z' },
    ])
  })
  it('a manifest and an index may have a byte order mark and CRLF; what is no text is named by line', async () => {
    const file = join(home, 'odd')
    const head = JSON.stringify({ skeinManifest: 1, namespace: 'ns', uri: 's3://b/' })
    writeFileSync(file, `\uFEFF${head}\r\n{"key":"a/x","etag":"e"}\r\n`)
    expect((await submit('--from-manifest', file)).stderr).not.toContain('not a manifest')
    writeFileSync(file, Buffer.from('/ns/a\n/ns/caf\xe9\n', 'latin1'))
    expect(await submit('--index', file)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining(`${file}:2: the line is not UTF-8`),
    })
  })
  it('absurd braces end at once, in one short line', async () => {
    for (const word of [
      `/a${'{'.repeat(120_000)}`,
      '{a,b}'.repeat(20_000),
      '{'.repeat(50_000) + '}'.repeat(50_000),
      `/ns/${'{a..a}'.repeat(20_000)}`,
    ]) {
      const { code, stderr } = await submit(word)
      expect(code).toBe(64)
      expect(stderr.length).toBeLessThan(5000)
    }
    expect((await submit('/ns/{a,b{c,d{e,f}}}')).staged[0]?.items.map(({ path }) => path)).toEqual([
      '/ns/a',
      '/ns/bc',
      '/ns/bde',
      '/ns/bdf',
    ])
  })
  it('all options are told', async () => {
    const words =
      '/ns -A --expire-time 2h --hosts a,b --excluded-hosts c --locality a --evict --bandwidth 5MB/s --priority ' +
      '7 --max-failures 1%'
    const { submitted } = await submit(
      ...words.split(' '),
      '--verify',
      '--include',
      '*.x',
      '--include',
      'y/',
      '--exclude',
      'z',
      '--size-min',
      '1KB',
    )
    const expected: Partial<LoadOptions> = {
      ...{
        atomic: true,
        expireTimeMs: 7_200_000,
        evict: true,
        bandwidth: '5MB/s',
        priority: 7,
        maxFailures: '1%',
        verify: true,
      },
      hosts: { hosts: ['a', 'b'], excludedHosts: ['c'], locality: 'a' },
      selection: { include: ['*.x', 'y/'], exclude: ['z'], sizeMin: 1024 },
    }
    expect(submitted[0]?.options).toMatchObject(expected)
    const times = (await submit('/ns', '--modified-after', '2026-01-31T08:00:00Z', '--modified-before', '10s'))
      .submitted[0]?.options?.selection
    expect(times).toMatchObject({ modifiedAfterMs: Date.UTC(2026, 0, 31, 8), modifiedBeforeMs: 990_000 })
  })
  it('paths of several first names are one list, where there is a root mount', async () => {
    const { code, staged, submitted } = await submitTo({ hasRoot: true }, '/a/x', '/b', '/c/y')
    expect(code).toBe(0)
    expect(staged.flatMap(({ items }) => items.map(({ path }) => path))).toEqual(['/a/x', '/b', '/c/y'])
    expect(submitted).toMatchObject([{ path: '/', indexId: 'unique' }])
    expect((await submitTo({ hasRoot: true }, '/')).submitted).toMatchObject([{ path: '/' }])
    for (const [words, where] of [
      [['/ns/a', '/other/b'], '/other/b is not in /ns'],
      [['/ns/a', '/b'], '/b is not in /ns'],
      [['/a', '/b', '/ns/c'], '/ns/c is not in the root mount'],
      [['/a', '/ns/c'], '/ns/c is not in the root mount'],
    ] as const) {
      const refused = await submitTo({ hasRoot: true }, ...words)
      expect(refused).toMatchObject({ code: 64, submitted: [] })
      expect(refused.stderr).toContain(`all paths of a load must be in one namespace: ${where}`)
    }
  })
  it('says before the load that its manifest cannot be written', async () => {
    for (const place of ['/dev/null/m.jsonl', '/']) {
      const { code, stderr, submitted } = await submit('/ns', '--manifest', place)
      expect(stderr).toContain(`the manifest ${place} cannot be written: `)
      expect([code, submitted]).toEqual([1, []])
    }
  })
  it.each([
    [['/ns', '--modified-after', 'yesterday'], /--modified-after 'yesterday': write a date/],
    [['/ns', '--modified-after', '2026-13-41'], /--modified-after '2026-13-41'/],
    [['/ns', '--size-max', 'big'], /--size-max: 'big' is not a size/],
    [['/ns', '--priority', '0'], /--priority must be a whole number from 1 to 100/],
    [['/ns', '--expire-time', '1h'], /--expire-time requires -A/],
    [['/ns', '--plan', '--async'], /cannot be combined/],
    [['/ns', '--async', '--manifest', 'x'], /--manifest and --async/],
    [['/ns', '--plan', '--manifest', 'x'], /--plan and --manifest/],
    [['/ns/{0..99999999999}'], /more than 10000000 names/],
    [['/ns/a', '/other/b'], /one namespace: \/other\/b is not in \/ns/],
    [['--index', '/dev/null'], /\/dev\/null contains no path/],
    [['--from-manifest', '/dev/null'], /is not a manifest/],
    [[], /give a path/],
  ])('%j exits 64', async (args, words) => {
    const { code, stderr, stdout } = await submit(...args)
    expect(stderr).toMatch(words)
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  })
})
