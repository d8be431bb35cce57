import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { joinGlobs, pathGlob } from '../../../src/cli/load/path-glob.ts'
import type { ScheduleDefinition } from '../../../src/wire/generated/schedule.ts'
import type { SubmitLoadRequest } from '../../../src/wire/generated/job.ts'
import { type CommandResult, file, load, run } from './support/harness.ts'

const home = mkdtempSync(join(tmpdir(), 'skein-globs-'))
afterAll(() => rmSync(home, { recursive: true }))

/** `known`: names that are there as they are written. */
async function submit(
  argv: readonly string[],
  known: readonly string[] = [],
  files = 3,
): Promise<CommandResult & { submitted: SubmitLoadRequest[] }> {
  const submitted: SubmitLoadRequest[] = []
  const result = await run(
    argv,
    {
      master: {
        getStatus: async ({ path }) => {
          if (known.includes(path)) return file({ path })
          throw new SkeinError('not_found', `${path} does not exist`)
        },
      },
      jobs: {
        submitLoad: async (request) => {
          submitted.push(request)
          return { loadId: 'L42', joined: false }
        },
        getLoad: async () => load('COMPLETED', { files, filesLoaded: files, filesExcluded: 5 }),
      },
    },
    { home },
  )
  return { ...result, submitted }
}

describe('a path with wildcards', () => {
  it.each([
    ['/training/*.tar', '/training', '/*.tar'],
    ['/t/d/part-?', '/t/d', '/part-?'],
    ['/t/d[0-9]/x', '/t', '/d[0-9]/x'],
    ['gfs://h:1/t/**/x', 'gfs://h:1/t', '/**/x'],
    ['/*', '', '/*'],
  ])('%s is %s and %s', (path, base, pattern) => {
    expect(pathGlob(path)).toEqual({ base, pattern })
  })
  it.each(['/t/plain', String.raw`/t/a\*b`, '/t/a[b', '/t/{x}', '/'])('%s is a plain path', (path) => {
    expect(pathGlob(path)).toBeUndefined()
  })
  it('several share what they begin with; what is before the wildcard stands for itself', () => {
    const globs = ['/t/a{1}/x*/', '/t/a{1}/y*', '/t/b/**']
      .map((path) => pathGlob(path))
      .filter((glob) => glob !== undefined)
    expect(joinGlobs(globs)).toEqual({
      base: '/t',
      patterns: [String.raw`/a\{1\}/x*/`, String.raw`/a\{1\}/y*`, String.raw`/a\{1\}/y*/**`, '/b/**'],
    })
  })
})

describe('distributedLoad of a glob', () => {
  it('loads the files that fit, and everything in the directories that fit', async () => {
    const { code, submitted } = await submit(['fs', 'distributedLoad', '/training/*.tar', '--replication', '2'])
    expect(code).toBe(0)
    expect(submitted).toMatchObject([
      { path: '/training', options: { replication: 2, selection: { include: ['/*.tar', '/*.tar/**'], exclude: [] } } },
    ])
  })
  it('takes braces and several globs together', async () => {
    const { submitted } = await submit(['fs', 'distributedLoad', '/t/{a,b}/*.x', '/t/c*/'])
    expect(submitted).toMatchObject([
      { path: '/t', options: { selection: { include: ['/a/*.x', '/a/*.x/**', '/b/*.x', '/b/*.x/**', '/c*/'] } } },
    ])
  })
  it('means the object itself where there is one of that name', async () => {
    const { submitted } = await submit(['fs', 'distributedLoad', '/t/a[1].csv'], ['/t/a[1].csv'])
    expect(submitted[0]?.path).toBe('/t/a[1].csv')
    expect(submitted[0]?.options?.selection).toBeUndefined()
  })
  it('that nothing fits is not found', async () => {
    expect(await submit(['fs', 'distributedLoad', '/t/*.no'], [], 0)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no file below /data is selected'),
    })
    expect(await submit(['fs', 'load', '/t/*.no'], [], 0)).toMatchObject({ code: 2 })
  })
  it.each([
    [['/*/x']],
    [['/t/*.a', '/u/*.a']],
    [['/t/*.a', '/t/plain']],
    [['/t/*.a', '--include', 'x']],
    [['/t/{000..999}*']],
  ])('refuses %j', async (words) => {
    expect(await submit(['fs', 'distributedLoad', ...words])).toMatchObject({ code: 64, submitted: [] })
  })
})

it('fs load and schedules take a glob too', async () => {
  const loaded = await submit(['fs', 'load', '/t/*.x'], ['/t'])
  expect(loaded).toMatchObject({
    code: 0,
    stdout: '/t/*.x loaded\n',
    submitted: [{ path: '/t', options: { selection: { include: ['/*.x', '/*.x/**'] } } }],
  })
  const made: ScheduleDefinition[] = []
  const schedules = {
    createSchedule: async (definition: ScheduleDefinition) => {
      made.push(definition)
      return {
        definition,
        paused: false,
        createdMs: 0,
        nextRunMs: 0,
        lastRunMs: 0,
        lastLoadId: '',
        lastState: '',
        runs: 0,
        note: '',
      }
    },
  }
  await run(['schedule', 'create', 'n', '--cron', '0 2 * * *', '--', '/t/*.x'], { schedules })
  expect(made).toMatchObject([{ path: '/t', options: { selection: { include: ['/*.x', '/*.x/**'] } } }])
})
