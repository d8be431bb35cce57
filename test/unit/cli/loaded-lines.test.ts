// Why: scripts for GooseFS read a line a file of `fs distributedLoad`: each once, in time, whole,
// and from one page of memory, under the name `goosefs` or with --list-files.
import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { LoadedLines } from '../../../src/cli/load/loaded-lines.ts'
import type { LoadFile, LoadFilesRequest, LoadFilesResponse, LoadStatus } from '../../../src/wire/generated/job.ts'
import { type FakeCluster, load, run } from './support/harness.ts'

const goosefs = { SKEIN_COMMAND_NAME: 'goosefs' }
const total = 'Total completed file count is 3, failed file count is 0\n'
const never = new AbortController().signal

function loadFile(path: string, state: string, attempts = 1): LoadFile {
  return { path, length: 1, state, reason: '', attempts, workerId: '' }
}

/** Pages of `size` files, of what the files are at the time of the request. */
function pageOf(files: readonly LoadFile[], { pageToken }: LoadFilesRequest, size: number): LoadFilesResponse {
  const from = Number(pageToken)
  return {
    files: files.slice(from, from + size),
    nextPageToken: from + size < files.length ? String(from + size) : '',
  }
}

/** A load whose files are as `looks` has them, one look after the other. */
function cluster(looks: readonly (readonly LoadFile[])[], pageSize = 2, ends = load('COMPLETED')): FakeCluster {
  let look = -1
  return {
    jobs: {
      submitLoad: async () => ({ loadId: 'L42', joined: false }),
      getLoad: async (): Promise<LoadStatus> => {
        look += 1
        return look >= looks.length - 1 ? { ...ends, counts: { ...ends.counts!, filesLoaded: 3 } } : load('RUNNING')
      },
      listLoadFiles: async (request) => {
        expect(request.failedOnly).toBe(false)
        return pageOf(looks[Math.min(look, looks.length - 1)] ?? [], request, pageSize)
      },
    },
  }
}

const growing = [
  [loadFile('/data/a', 'CACHED'), loadFile('/data/b', 'RUNNING')],
  [loadFile('/data/a', 'CACHED'), loadFile('/data/b', 'RUNNING'), loadFile('/data/c', 'DONE')],
  [loadFile('/data/a', 'CACHED'), loadFile('/data/b', 'DONE', 3), loadFile('/data/c', 'DONE', 0)],
]
const lines =
  '/data/a is already fully loaded in GooseFS\n' +
  'Successfully loaded path /data/b after 3 attempts\n' +
  'Successfully loaded path /data/c after 1 attempts\n'

describe('distributedLoad', () => {
  it('names each file once before the count, as goosefs and with --list-files', async () => {
    const words = ['fs', 'distributedLoad', '/data']
    const asGoosefs = await run(words, cluster(growing), { environment: goosefs })
    expect(asGoosefs).toMatchObject({ code: 0, stdout: lines + total })
    const asked = await run([...words, '--list-files'], cluster(growing))
    expect(asked).toMatchObject({ code: 0, stdout: lines + total })
  })
  it('names none as skein, nor in one JSON document', async () => {
    const words = ['fs', 'distributedLoad', '/data']
    expect((await run(words, cluster(growing))).stdout).toBe(total)
    const { stdout } = await run(['--format', 'json', ...words], cluster(growing), { environment: goosefs })
    expect(JSON.parse(stdout)).toMatchObject({ loadId: 'L42' })
  })
  it('does not name what did not come in', async () => {
    const looks = [[loadFile('/data/a', 'DONE'), loadFile('/data/b', 'WAITING'), loadFile('/data/c', 'FAILED')]]
    const { stdout } = await run(['fs', 'distributedLoad', '/data'], cluster(looks, 2, load('CANCELLED')), {
      environment: goosefs,
    })
    expect(stdout).toBe(`Successfully loaded path /data/a after 1 attempts\n${total}`)
  })
  it('a name with a newline stays one line', async () => {
    const { stdout } = await run(['fs', 'distributedLoad', '/data'], cluster([[loadFile('/data/a\nb', 'DONE')]]), {
      environment: goosefs,
    })
    expect(stdout.split('\n')).toHaveLength(3)
  })
  it.each([
    ['--list-files', '--async'],
    ['--list-files', '--plan'],
    ['--list-files', '--format=json'],
  ])('%s and %s are refused', async (...flags) => {
    expect(await run(['fs', 'distributedLoad', '/data', ...flags], {})).toMatchObject({ code: 64 })
  })
  it('lists what it could not list before, when the job master is back', async () => {
    let asked = 0
    const fake = cluster(growing)
    const listLoadFiles: NonNullable<NonNullable<FakeCluster['jobs']>['listLoadFiles']> = async (...call) => {
      asked += 1
      if (asked === 1) throw new SkeinError('unavailable', 'away')
      return await fake.jobs!.listLoadFiles!(...call)
    }
    const { stdout } = await run(
      ['fs', 'distributedLoad', '/data'],
      { jobs: { ...fake.jobs, listLoadFiles } },
      { environment: goosefs },
    )
    expect(stdout).toBe(lines + total)
  })
})

describe('errors of goosefs', () => {
  const gone: FakeCluster = {
    master: { listStatus: async () => Promise.reject(new SkeinError('not_found', '/data/no does not exist')) },
  }
  it('stand on stdout, too, where programs look for them', async () => {
    const message = '/data/no does not exist\n'
    const result = await run(['fs', 'ls', '/data/no'], gone, { environment: goosefs })
    expect(result).toMatchObject({ code: 2, stdout: message, stderr: `skein: ${message}` })
    expect(await run(['fs', 'ls', '/data/no'], gone)).toMatchObject({ code: 2, stdout: '' })
  })
  it('do not stand behind a result, nor beside a document', async () => {
    const half: FakeCluster = {
      files: { '/data/a': ['bytes'] },
      onChunk: () => {
        throw new SkeinError('unavailable', 'the worker has gone')
      },
    }
    expect((await run(['fs', 'cat', '/data/a'], half, { environment: goosefs })).stdout).toBe('bytes')
    const { stdout } = await run(['fs', 'ls', '/data/no', '--format', 'json'], gone, { environment: goosefs })
    expect(JSON.parse(stdout)).toMatchObject({ errorCode: 'not_found' })
  })
})

describe('the lines of a load', () => {
  it('wait for the first page that has no end, and never ask for one that has', async () => {
    const files = Array.from({ length: 1000 }, (_, n) => loadFile(`/data/${n}`, n === 500 ? 'RUNNING' : 'DONE'))
    const tokens: string[] = []
    const jobs = {
      listLoadFiles: async (request: LoadFilesRequest) => {
        tokens.push(request.pageToken)
        return pageOf(files, request, 100)
      },
    }
    const loaded = new LoadedLines(jobs, 'L42')
    const next = async (hasEnded: boolean): Promise<number> => {
      let count = 0
      for await (const text of loaded.next(hasEnded, never)) count += text.split('\n').length - 1
      return count
    }
    expect(await next(false)).toBe(599)
    expect(await next(false)).toBe(0)
    files[500] = loadFile('/data/500', 'DONE')
    expect(await next(false)).toBe(401)
    files.push(loadFile('/data/1000', 'DONE'))
    expect(await next(true)).toBe(1)
    expect(await next(true)).toBe(0)
    expect(tokens.map((token) => Number(token) / 100)).toEqual([0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 9, 10])
  })
})
