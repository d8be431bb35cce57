import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { CreateNamespaceRequest, FileInfo, ListStatusRequest } from '../../../src/wire/generated/master.ts'
import { type FakeCluster, file, load, run } from './support/harness.ts'

const status: FakeCluster = {
  master: {
    getStatus: async ({ path }) => file({ path }),
    openFile: async ({ path }) => ({ file: file({ path }), blocks: [], workers: [] }),
  },
}

describe('options that go anywhere', () => {
  const wheres = [
    ['-Dgoosefs.master.rpc.port=77', 'fs', 'ls', '/a'],
    ['fs', '-Dgoosefs.master.rpc.port=77', 'ls', '/a'],
    ['fs', 'ls', '/a', '-Dgoosefs.master.rpc.port=77'],
    ['fs', 'ls', '-D', 'goosefs.master.rpc.port=77', '/a'],
  ]
  it.each(wheres)('-D: %s %s %s %s', async (...argv) => {
    const { code, addresses } = await run(argv, {
      master: { listStatus: async () => ({ files: [], nextPageToken: '' }) },
    })
    expect(code).toBe(0)
    expect(addresses).toEqual(['127.0.0.1:77'])
  })
  it('--format json before and after, one document and nothing else', async () => {
    for (const argv of [
      ['--format', 'json', 'fs', 'stat', '/a'],
      ['fs', 'stat', '/a', '--format=json'],
    ]) {
      const { code, stdout } = await run(argv, status)
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ path: '/a', length: 14, blocks: [] })
    }
  })
  it('options of the command before or after the path', async () => {
    const asked: ListStatusRequest[] = []
    const master = {
      listStatus: async (request: ListStatusRequest) => {
        asked.push(request)
        return { files: [], nextPageToken: '' }
      },
    }
    await run(['fs', 'ls', '-R', '/a'], { master })
    await run(['fs', 'ls', '/a', '-R'], { master })
    expect(asked.map(({ recursive }) => recursive)).toEqual([true, true])
  })
  it('take a path with blanks and what follows -- as it is', async () => {
    const { stdout } = await run(['fs', 'stat', '--', '/a/ b%20+&'], status)
    expect(stdout).toContain('/a/ b%20+& is a file path.')
  })
})

describe('where the master is', () => {
  const empty: FakeCluster = { master: { listStatus: async () => ({ files: [], nextPageToken: '' }) } }
  it('comes from SKEIN_MASTER, -D, or a gfs:// path, the strongest last', async () => {
    const environment = { SKEIN_MASTER: 'env:1' }
    expect((await run(['fs', 'ls', '/a'], empty, { environment })).addresses).toEqual(['env:1'])
    expect((await run(['fs', 'ls', '/a', '-Dgoosefs.master.hostname=flag'], empty, { environment })).addresses).toEqual(
      ['flag:1'],
    )
    expect(
      (await run(['fs', 'ls', 'gfs://path:3/a', '-Dgoosefs.master.hostname=flag'], empty, { environment })).addresses,
    ).toEqual(['path:3'])
  })
  it('gives what was offered by readers its moment, but not when the user stops the command', async () => {
    const order: string[] = []
    const fake: FakeCluster = {
      ...status,
      files: { '/a': ['bytes'] },
      onSettle: async () => void order.push('settled'),
    }
    expect(await run(['fs', 'cat', '/a'], fake)).toMatchObject({ code: 0, stdout: 'bytes', closed: 1 })
    expect(order).toEqual(['settled'])
    const endless: FakeCluster = {
      jobs: { getLoad: async () => load('RUNNING') },
      onSettle: () => new Promise(() => undefined),
    }
    const stopped = await run(['job', 'progress', 'L42', '--watch'], endless, { onSleep: (running) => running.stop() })
    expect(stopped).toMatchObject({ code: 4, closed: 1 })
  })
  it('is closed after the command, also when that failed', async () => {
    const failing: FakeCluster = {
      master: { listStatus: async () => Promise.reject(new SkeinError('not_found', 'no')) },
    }
    expect((await run(['fs', 'ls', '/a'], failing)).closed).toBe(1)
  })
})

describe('usage errors are one line and exit 64', () => {
  it.each([
    ['fs', 'distributedLoad', '/a', '--plan', '--async'],
    ['fs', 'distributedLoad', '--expire-time', '1h', '/a'],
    ['fs', 'distributedLoad', '--size-min', 'x', '/a'],
    ['fs', 'distributedLoad', '/a', '--replication', '0'],
    ['fs', 'distributedLoad', '/a', '--replication', '1.5'],
    ['fs', 'distributedLoad', '/a', '--active-jobs', 'many'],
    ['fs', 'distributedLoad', '/a', '--batch-size'],
    ['fs', 'distributedLoad'],
    ['fs', 'ls', 'relative'],
    ['fs', 'ls', '/a/../b'],
    ['fs', 'ls', '/./x'],
    ['ns', 'create', '--root'],
    ['ns', 'create', 'a'],
    ['ns', 'create', 'a', 's3://b', '--root'],
    ['ns', 'delete', ''],
    ['ns', 'delete', '/'],
    ['ns', 'delete'],
    ['ns', 'delete', 'a', '--root'],
    ['ns', 'stat', '/'],
    ['fs', 'unmount', '/'],
    ['fs', 'bogus'],
    ['bogus'],
    ['fs'],
    [],
    ['fs', 'ls', '/a', '--format', 'xml'],
    ['fs', 'ls', '/a', '--format'],
    ['fs', 'ls', '/a', '-D'],
    ['fs', 'ls', '/a', '-Dnonsense'],
    ['fs', 'ls', '/a', '-Dno.such.key=1'],
    ['fsadmin', 'report', 'weather'],
    ['ns', 'create', 'a b', 's3://b'],
    ['ns', 'create', 'a', 's3://b', '--secret', 'hunter2'],
    ['ns', 'stat', '..'],
    ['job', 'ls', '--limit', '0'],
  ])('%s %s %s %s %s', async (...argv) => {
    const { code, stdout, stderr } = await run(argv)
    expect(code).toBe(64)
    expect(stdout).toBe('')
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^skein: \S/)
    if (argv.length > 1) expect(stderr.trimEnd()).not.toContain('\n')
    expect(stderr).not.toContain('hunter2')
  })
})

describe('exit codes of errors', () => {
  it.each([
    ['not_found', 2],
    ['permission_denied', 1],
    ['invalid_argument', 64],
    ['unavailable', 1],
    ['cancelled', 4],
  ] as const)('%s -> %i', async (errorCode, exit) => {
    const { code, stderr } = await run(['fs', 'stat', '/a'], {
      master: { getStatus: async () => Promise.reject(new SkeinError(errorCode, 'first\n  second')) },
    })
    expect(code).toBe(exit)
    expect(stderr).toBe('skein: first second\n')
  })
  it('shows the stack with --debug only', async () => {
    const fake: FakeCluster = {
      master: {
        getStatus: async () => Promise.reject(new SkeinError('internal', 'bad', { cause: new Error('root') })),
      },
    }
    const plain = await run(['fs', 'stat', '/a'], fake)
    expect(plain.stderr).toBe('skein: bad (internal error; --debug shows the stack)\n')
    const debug = await run(['fs', 'stat', '/a', '--debug'], fake)
    expect(debug.stderr).toMatch(/SkeinError: bad\n\s+at [\s\S]*caused by Error: root/)
  })
  it('is 4 when the user stops a command', async () => {
    const { code } = await run(
      ['job', 'progress', 'L42', '--watch'],
      { jobs: { getLoad: async () => load('RUNNING') } },
      { onSleep: (running, sleeps) => (sleeps === 3 ? running.stop() : undefined) },
    )
    expect(code).toBe(4)
  })
  it('is 4 also when he stops it because nobody answers', async () => {
    const gone = new SkeinError('unavailable', 'cannot reach the master at 127.0.0.1:9200', { reason: 'unreachable' })
    let stop = (): void => undefined
    const listNamespaces = async (): Promise<never> => {
      stop()
      throw gone
    }
    const onStart = (running: { stop(): void }): void => void (stop = () => running.stop())
    const { code, stderr } = await run(['ns', 'ls'], { master: { listNamespaces } }, { onStart })
    expect([code, stderr]).toEqual([4, 'skein: stopped\n'])
  })
  it('hints at the address when nobody is there', async () => {
    const gone = new SkeinError('unavailable', 'cannot reach the master at 127.0.0.1:9200', { reason: 'unreachable' })
    const { stderr } = await run(['ns', 'ls'], { master: { listNamespaces: async () => Promise.reject(gone) } })
    expect(stderr).toContain('SKEIN_MASTER')
  })
})

describe('help', () => {
  it('exits 0 on stdout, for the program, a group and a command', async () => {
    for (const argv of [
      ['--help'],
      ['fs', '--help'],
      ['fs', 'ls', '--help'],
      ['help', 'job'],
      ['fs', 'du', '--help'],
    ]) {
      const { code, stdout, stderr } = await run(argv)
      expect([code, stderr]).toEqual([0, ''])
      expect(stdout).toContain('Usage: skein')
    }
  })
})

describe('fs', () => {
  const pages: Record<string, { files: FileInfo[]; nextPageToken: string }> = {
    '': { files: [file({ path: '/a/1' })], nextPageToken: 'p2' },
    p2: { files: [file({ path: '/a/2', length: 100, cachedBytes: 50 })], nextPageToken: '' },
  }
  const master: FakeCluster['master'] = {
    listStatus: async ({ pageToken }) => pages[pageToken] ?? { files: [], nextPageToken: '' },
    count: async () => ({ files: 2, folders: 1, bytes: 114, cachedBytes: 64 }),
    free: async ({ force }) => ({ paths: ['/a/1'], freedBytes: force ? 2 : 1 }),
    getClusterSummary: async () => ({ usedBytes: 0, capacityBytes: 1_610_612_736_000 }) as never,
  }
  const out = async (...argv: string[]) =>
    (await run(['fs', ...argv], { master, files: { '/a/1': ['by', 'tes'] } })).stdout
  it('ls goes through all pages, in text and JSON', async () => {
    expect(
      (await out('ls', '/a'))
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ').slice(-2).join(' ')),
    ).toEqual(['100% /a/1', '50% /a/2'])
    expect(
      (JSON.parse(await out('ls', '/a', '--format', 'json')) as { entries: FileInfo[] }).entries.map(
        ({ path }) => path,
      ),
    ).toEqual(['/a/1', '/a/2'])
  })
  it('ls of nothing is still a JSON document', async () => {
    const { stdout } = await run(['fs', 'ls', '/a', '--format', 'json'], {
      master: { listStatus: async () => ({ files: [], nextPageToken: '' }) },
    })
    expect(JSON.parse(stdout)).toEqual({ entries: [] })
  })
  it('du lists files, or sums', async () => {
    expect(await out('du', '/a')).toBe(
      'File Size     In GooseFS       Path\n14            14 (100%)        /a/1\n100           50 (50%)         /a/2\n',
    )
    expect(await out('du', '-s', '/a')).toBe('File Size     In GooseFS       Path\n114           64 (56%)         /a\n')
  })
  it('cat, free, getUsedBytes, getCapacityBytes', async () => {
    expect(await out('cat', '/a/1')).toBe('bytes')
    expect(await out('free', '/a/1')).toBe('/a/1 was successfully freed from GooseFS space.\n')
    expect(JSON.parse(await out('free', '-f', '/a/1', '--format', 'json'))).toMatchObject({ freedBytes: 2 })
    expect(await out('getUsedBytes')).toBe('Used Bytes: 0\n')
    expect(await out('getCapacityBytes')).toBe('Capacity Bytes: 1610612736000\n')
  })
  it('cat of what is not there exits 2', async () => {
    expect(await run(['fs', 'cat', '/none'], {})).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('ns', () => {
  it('create sends secrets and attributes, and never shows a secret, whoever tells it', async () => {
    let sent: CreateNamespaceRequest | undefined
    const argv = [
      'ns',
      'create',
      '/data',
      's3://b/p',
      '--secret',
      's3.secretAccessKey=hunter2==',
      '--secret',
      's3.accessKeyId=AK',
      '--attribute',
      's3.region=r=1',
    ]
    const { code, stdout, stderr } = await run(argv, {
      master: {
        createNamespace: async (request) => {
          sent = request
          throw new SkeinError(
            'permission_denied',
            `wrong: hunter2== ${encodeURIComponent('hunter2==')} ${Buffer.from('hunter2==').toString('base64')}`,
          )
        },
      },
    })
    expect(sent).toEqual({
      name: 'data',
      uri: 's3://b/p',
      secrets: { 's3.secretAccessKey': 'hunter2==', 's3.accessKeyId': 'AK' },
      attributes: { 's3.region': 'r=1' },
    })
    expect(code).toBe(1)
    expect(stdout + stderr).toBe('skein: wrong: [redacted] [redacted] [redacted]\n')
  })
  it('short secrets leave the rest of the line alone, and one in another goes as a whole', async () => {
    const message = 'a [redacted] b abcd.*x abcd abcde d'
    const secrets = ['--secret', 's3.accessKeyId=abcd', '--secret', 's3.secretAccessKey=abcd.*x', '--secret', 'third=d']
    const { stderr } = await run(['ns', 'create', 'data', 's3://b', ...secrets], {
      master: { createNamespace: async () => Promise.reject(new SkeinError('permission_denied', message)) },
    })
    expect(stderr).toBe('skein: a [redacted] b [redacted] [redacted] abcde d\n')
  })
  it('a secret without end is refused without being shown', async () => {
    const value = 'x{'.repeat(40_000)
    const { code, stderr, stdout } = await run(['ns', 'create', 'a', 's3://b', '--secret', `s3.accessKeyId=${value}`])
    expect({ code, text: stdout + stderr }).toEqual({
      code: 64,
      text: 'skein: --secret number 1 has 80000 bytes: 16384 at most\n',
    })
  })
  it('a mistyped --secret does not show its value', async () => {
    const { code, stderr } = await run(['ns', 'create', 'a', 's3://b', '--secrt=k=hunter2'])
    expect(code).toBe(64)
    expect(stderr).not.toContain('hunter2')
  })
  it('delete and ls', async () => {
    const deleted: string[] = []
    const fake: FakeCluster = {
      master: {
        deleteNamespace: async ({ name }) => {
          deleted.push(name)
          return {}
        },
        listNamespaces: async () => ({ namespaces: [{ name: 'data', uri: 's3://b' } as never] }),
      },
    }
    expect((await run(['ns', 'delete', 'data'], fake)).stdout).toBe('Namespace data was deleted.\n')
    expect(deleted).toEqual(['data'])
    expect((await run(['ns', 'ls'], fake)).stdout).toBe('NAMESPACE  URI\ndata       s3://b\n')
  })
})

describe('job', () => {
  it('stat -v pages through the files, in text and JSON', async () => {
    const one = (path: string) => ({ path, length: 5, state: 'DONE', reason: '', attempts: 1, workerId: '' })
    const fake: FakeCluster = {
      jobs: {
        getLoad: async () => load('COMPLETED', { files: 2, filesLoaded: 2 }),
        listLoadFiles: async ({ pageToken, failedOnly }) => {
          expect(failedOnly).toBe(false)
          return pageToken === ''
            ? { files: [one('/a')], nextPageToken: 'x' }
            : { files: [one('/b')], nextPageToken: '' }
        },
      },
    }
    const text = (await run(['job', 'stat', '-v', 'L42'], fake)).stdout
    expect(text).toMatch(/^ID: L42\n[\s\S]*Status: COMPLETED\n[\s\S]*\nDONE +5 {2}\/a\nDONE +5 {2}\/b\n$/)
    expect(JSON.parse((await run(['job', 'stat', 'L42', '-v', '--format', 'json'], fake)).stdout)).toMatchObject({
      loadId: 'L42',
      fileList: [{ path: '/a' }, { path: '/b' }],
    })
  })
  it('stat -v and progress tell how the store is read, and why', async () => {
    const jobWorkers = [
      {
        ...{ jobWorkerId: 'jw', hostname: 'h', tasks: 24, reads: 12, smallReads: 96, rangeBytes: 8 * 1024 ** 2 },
        decisions: [
          { atMs: 1000, text: '6 -> 12 reads at once: reads wait for their turn' },
          { atMs: 2000, text: 'ranges of 4MB -> 8MB: why' },
        ],
      },
    ]
    const fake: FakeCluster = {
      jobs: {
        getLoad: async () => ({ ...load('RUNNING'), tuning: { jobWorkers } }),
        listLoadFiles: async () => ({ files: [], nextPageToken: '' }),
      },
    }
    const settings = 'job worker jw (h): 12 ranges of 8MB or 96 small files at once, 24 tasks\n'
    const stat = (await run(['job', 'stat', '-v', 'L42'], fake)).stdout
    expect(stat).toContain(`\nTuning:\n  ${settings}`)
    expect(stat).toMatch(/\n {4}\S+ \S+ 6 -> 12 reads at once: reads wait for their turn\n {4}\S+ \S+ ranges of 4MB/)
    expect((await run(['job', 'stat', 'L42'], fake)).stdout).not.toContain('Tuning')
    const progress = (await run(['job', 'progress', 'L42'], fake)).stdout
    expect(progress).toContain(settings)
    expect(progress).toContain('ranges of 4MB -> 8MB: why')
    expect(progress).not.toContain('6 -> 12')
    const document = JSON.parse((await run(['job', 'stat', 'L42', '--format', 'json'], fake)).stdout)
    expect(document).toMatchObject({ tuning: { jobWorkers: [{ reads: 12, decisions: [{ atMs: 1000 }, {}] }] } })
  })
  it('cancel says whether there was anything to cancel', async () => {
    const cancelled: string[] = []
    const jobs = (state: string): FakeCluster => ({
      jobs: {
        cancelLoad: async ({ loadId }) => {
          cancelled.push(loadId)
          return {}
        },
        getLoad: async () => load(state),
      },
    })
    expect((await run(['job', 'cancel', 'L42'], jobs('RUNNING'))).stdout).toBe('Load L42 is being cancelled\n')
    expect((await run(['job', 'cancel', 'L42'], jobs('COMPLETED'))).stdout).toBe('Load L42 has ended: COMPLETED\n')
    expect(cancelled).toEqual(['L42', 'L42'])
  })
  it('ls lists, progress tells once', async () => {
    const fake: FakeCluster = {
      jobs: {
        listLoads: async ({ limit }) => ({ loads: [load('RUNNING', { files: limit })] }),
        getLoad: async () => load('RUNNING', { files: 4, filesLoaded: 1, bytes: 8, bytesLoaded: 2 }),
      },
    }
    expect((await run(['job', 'ls', '--limit', '7'], fake)).stdout).toMatch(
      /^ID .*PATH\nL42 +RUNNING +0\/7 +0 .*\/data\n$/,
    )
    expect(await run(['job', 'progress', 'L42'], fake)).toMatchObject({
      code: 0,
      stdout: 'L42 RUNNING 1/4 files, 2B/8B 25%\n',
    })
  })
})

describe('fsadmin report', () => {
  it('is the summary unless another is named', async () => {
    const summary = { masterAddress: 'm:1', tiers: [], startedMs: 0, nowMs: 0, capacityBytes: 0, usedBytes: 0 } as never
    const fake: FakeCluster = {
      master: { getClusterSummary: async () => summary, listWorkers: async () => ({ workers: [] }) },
    }
    expect((await run(['fsadmin', 'report'], fake)).stdout).toMatch(
      /^GooseFS cluster summary: \n {2}Master Address: m:1\n/,
    )
    expect((await run(['fsadmin', 'report', 'capacity'], fake)).stdout).toMatch(
      /^Capacity information for all workers: \n/,
    )
  })
})
