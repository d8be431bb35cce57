import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { SubmitLoadRequest } from '../../../src/wire/generated/job.ts'
import type { CheckConsistencyResponse, PersistResponse } from '../../../src/wire/generated/lifecycle.ts'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import { type FakeCluster, file, load, run } from './support/harness.ts'

const home = mkdtempSync(join(tmpdir(), 'skein-cli-sync-'))
afterAll(() => rmSync(home, { recursive: true }))

const done: PersistResponse = { persisted: 1, already: 0, failures: [] }

/**
 * Files of which some are only in the cache, listed two a page, and what persisting one of them
 * answers.
 */
class FakeTree {
  readonly persisted: string[] = []
  running = 0
  runningMost = 0
  readonly #files: readonly FileInfo[]
  readonly #answer: (path: string) => PersistResponse | SkeinError

  constructor(files: readonly FileInfo[], answer: (path: string) => PersistResponse | SkeinError = () => done) {
    this.#files = files
    this.#answer = answer
  }

  get cluster(): FakeCluster {
    return {
      master: {
        getStatus: async ({ path }) => this.#files.find((one) => one.path === path) ?? file({ path, folder: true }),
        listStatus: async ({ path, recursive, pageToken }) => {
          expect([path, recursive]).toEqual(['/a', true])
          const from = Number(pageToken)
          return {
            files: this.#files.slice(from, from + 2),
            nextPageToken: from + 2 < this.#files.length ? String(from + 2) : '',
          }
        },
      },
      lifecycle: {
        persist: async ({ path }) => {
          this.running += 1
          this.runningMost = Math.max(this.running, this.runningMost)
          for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
          this.running -= 1
          this.persisted.push(path)
          const answer = this.#answer(path)
          if (answer instanceof SkeinError) throw answer
          return answer
        },
      },
    }
  }
}

const fresh = (path: string, length = 14): FileInfo => file({ path, length, persistenceState: 'NOT_PERSISTED' })

describe('fs persist', () => {
  it('of a file says its size, or that the store has it', async () => {
    const tree = new FakeTree([fresh('/a/1'), file({ path: '/a/2' })])
    expect(await run(['fs', 'persist', '/a/1'], tree.cluster)).toMatchObject({
      code: 0,
      stdout: 'persisted file /a/1 with size 14\n',
      stderr: '',
    })
    expect(await run(['fs', 'persist', '/a/2'], tree.cluster)).toMatchObject({
      code: 0,
      stdout: '/a/2 is already persisted\n',
    })
    expect(tree.persisted).toEqual(['/a/1'])
    const json = await run(['fs', 'persist', '/a/1', '--format', 'json'], tree.cluster)
    expect(JSON.parse(json.stdout)).toEqual({ path: '/a/1', files: 1, bytes: 14, filesFailed: 0, failedFiles: [] })
  })
  it('of a directory goes through all pages and only asks for what the store has not', async () => {
    const folder = file({ path: '/a/d', folder: true, persistenceState: 'NOT_PERSISTED' })
    const tree = new FakeTree([
      file({ path: '/a/0' }),
      folder,
      ...[1, 2, 3, 4, 5, 6, 7].map((n) => fresh(`/a/d/${n}`, n)),
    ])
    const { code, stdout } = await run(['fs', 'persist', '-p', '3', '/a'], tree.cluster)
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n').sort()).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((n) => `persisted file /a/d/${n} with size ${n}`),
    )
    expect(tree.runningMost).toBe(3)
    expect((await run(['fs', 'persist', '/a'], new FakeTree([file({ path: '/a/0' })]).cluster)).stdout).toBe(
      '/a is already persisted\n',
    )
  })
  it('names what failed, goes on, and is partial; failed when nothing went', async () => {
    const answer = (path: string): PersistResponse =>
      path === '/a/1' ? { ...done, failures: ['/a/1: the store has one\nalready'] } : done
    const tree = new FakeTree([fresh('/a/1'), fresh('/a/2')], answer)
    expect(await run(['fs', 'persist', '/a'], tree.cluster)).toMatchObject({
      code: 3,
      stdout: 'persisted file /a/2 with size 14\n',
      stderr: 'skein: /a/1: the store has one already\n',
    })
    expect(await run(['fs', 'persist', '/a'], new FakeTree([fresh('/a/1')], answer).cluster)).toMatchObject({
      code: 1,
      stdout: '',
    })
    expect(await run(['fs', 'persist', '/a/1'], tree.cluster)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'skein: /a/1: the store has one already\n',
    })
    const json = await run(['fs', 'persist', '/a', '--format', 'json'], tree.cluster)
    expect(JSON.parse(json.stdout)).toMatchObject({ files: 1, filesFailed: 1, failedFiles: [{ path: '/a/1' }] })
  })
  it('ends when nobody answers any more', async () => {
    const files = Array.from({ length: 50 }, (_, index) => fresh(`/a/${index}`))
    const tree = new FakeTree(files, () => new SkeinError('unavailable', 'gone', { reason: 'unreachable' }))
    expect(await run(['fs', 'persist', '/a'], tree.cluster)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'skein: gone; is it running?\n',
    })
    expect(tree.persisted.length).toBeLessThanOrEqual(4)
  })
})

describe('fs checkConsistency', () => {
  const check = async (answer: CheckConsistencyResponse, ...flags: string[]): ReturnType<typeof run> =>
    run(['fs', 'checkConsistency', ...flags, '/a'], {
      lifecycle: {
        checkConsistency: async (request) => {
          expect(request).toEqual({ path: '/a', repair: flags.includes('-r') })
          return answer
        },
      },
    })
  it('says that all is well', async () => {
    expect(await check({ inconsistent: [], total: 0, repaired: false })).toMatchObject({
      code: 0,
      stdout: '/a is consistent with the under storage system.\n',
    })
    expect((await check({ inconsistent: [], total: 0, repaired: true }, '-r')).stdout).toContain('is consistent')
  })
  it('names the files that differ, in order, and exits 1', async () => {
    expect(await check({ inconsistent: ['/a/2', '/a/1'], total: 5, repaired: false })).toMatchObject({
      code: 1,
      stdout: 'The following files are inconsistent:\n/a/1\n/a/2\nand 3 more\n',
      stderr: '',
    })
  })
  it.each([[], ['-r']])(
    'names what can be read from nowhere, which is not to be repaired either %j',
    async (...flags) => {
      const unreadable = { paths: ['/a/4', '/a/3'], total: 3 }
      const said = 'The following files are not persisted, and have blocks on no live worker:\n/a/3\n/a/4\nand 1 more\n'
      const answer = { inconsistent: [], total: 0, repaired: flags.length > 0, unreadable }
      expect(await check(answer, ...flags)).toMatchObject({ code: 1, stdout: said })
      expect(JSON.parse((await check(answer, ...flags, '--format', 'json')).stdout)).toMatchObject({
        consistent: false,
        unreadable: { paths: ['/a/3', '/a/4'], total: 3 },
      })
      const differing = { ...answer, inconsistent: ['/a/1'], total: 1 }
      expect((await check(differing, ...flags)).stdout).toMatch(new RegExp(`/a/1.*\n${said}$`))
    },
  )
  it('-r repairs them', async () => {
    const answer = { inconsistent: ['/a/1'], total: 1, repaired: true }
    expect(await check(answer, '-r')).toMatchObject({
      code: 0,
      stdout: '/a has: 1 inconsistent files.\n/a/1 repaired.\n',
    })
    expect(JSON.parse((await check(answer, '-r', '--format', 'json')).stdout)).toEqual({
      path: '/a',
      consistent: false,
      ...answer,
    })
  })
})

describe('fs load', () => {
  const submitted: SubmitLoadRequest[] = []
  const loading = (state: string, more: Partial<FileInfo> = {}): FakeCluster => ({
    master: { getStatus: async ({ path }) => file({ path, cachedBytes: 0, ...more }) },
    jobs: {
      submitLoad: async (request) => {
        submitted.push(request)
        return { loadId: 'L42', joined: false }
      },
      getLoad: async () => load(state, { files: 1, filesFailed: state === 'COMPLETED' ? 0 : 1 }, { reason: 'why' }),
      listLoadFiles: async () => ({
        files: [{ path: '/data/test.txt', length: 1, state: 'FAILED', reason: 'broken', attempts: 3, workerId: '' }],
        nextPageToken: '',
      }),
    },
  })
  const argv = ['fs', 'load', '/data/test.txt']
  it('loads one replica through the job master and says so', async () => {
    expect(await run(argv, loading('COMPLETED'), { home })).toMatchObject({
      code: 0,
      stdout: '/data/test.txt loaded\n',
    })
    expect(submitted).toEqual([
      {
        requestKey: 'unique',
        path: '/data/test.txt',
        options: { replication: 1, keepReplication: true, activeJobs: 3000, batchSize: 0 },
      },
    ])
    expect((await run([...argv, '--format', 'json'], loading('COMPLETED'), { home })).stdout).toBe(
      '{"path":"/data/test.txt","loaded":true}\n',
    )
  })
  it.each([
    ['FAILED', 1],
    ['PARTIAL', 3],
    ['CANCELLED', 4],
  ])('%s is never called loaded, and exits %i', async (state, code) => {
    const result = await run(argv, loading(state), { home })
    expect(result.code).toBe(code)
    expect(result.stdout).not.toContain(' loaded\n')
    expect(result.stdout).toContain('/data/test.txt: broken')
  })
  it('a file that only the cache has is loaded', async () => {
    const { stdout } = await run(
      argv,
      { master: loading('', { persistenceState: 'NOT_PERSISTED' }).master ?? {} },
      { home },
    )
    expect(stdout).toBe('/data/test.txt loaded\n')
  })
  it('a file that is nowhere exits 2, and no load is submitted', async () => {
    const missing: FakeCluster = {
      master: { getStatus: async () => Promise.reject(new SkeinError('not_found', 'no such file')) },
    }
    expect(await run(argv, missing, { home })).toMatchObject({ code: 2, stdout: '', stderr: 'skein: no such file\n' })
  })
})
