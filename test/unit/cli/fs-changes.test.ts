import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { LifecycleServiceDefinition } from '../../../src/wire/generated/lifecycle.ts'
import type { NamespaceInfo } from '../../../src/wire/generated/master.ts'
import type { Service } from '../../../src/wire/service.ts'
import { type FakeCluster, run } from './support/harness.ts'

type Lifecycle = Service<LifecycleServiceDefinition>

/** Remembers the requests; answers each call with what the test gives for it. */
class FakeLifecycle {
  readonly requests: unknown[] = []

  cluster<M extends keyof Lifecycle>(method: M, answer: Awaited<ReturnType<Lifecycle[M]>> | SkeinError): FakeCluster {
    const call = async (request: unknown): Promise<unknown> => {
      this.requests.push(request)
      if (answer instanceof SkeinError) throw answer
      return answer
    }
    return { lifecycle: { [method]: call } }
  }
}

const changed = { files: 3, paths: [] }
/**
 * Command line, the method, its answer, the request that is expected, stdout, the JSON document.
 */
const commands: readonly (readonly [string, keyof Lifecycle, never, unknown, string, unknown])[] = [
  [
    'mkdir /a/b',
    'makeDirectory',
    {} as never,
    { path: '/a/b' },
    'Successfully created directory /a/b\n',
    { path: '/a/b' },
  ],
  [
    'rm /a/b',
    'delete',
    { files: 1, directories: 0 } as never,
    { path: '/a/b', recursive: false, cacheOnly: false, waitMs: 0 },
    '/a/b has been removed\n',
    { path: '/a/b', files: 1, folders: 0 },
  ],
  [
    'rm /a/b --cacheOnly -R',
    'delete',
    { files: 4, directories: 2 } as never,
    { path: '/a/b', recursive: true, cacheOnly: true, waitMs: 0 },
    '/a/b has been removed\n',
    { path: '/a/b', files: 4, folders: 2 },
  ],
  [
    'mv /a/b /a/c',
    'rename',
    {} as never,
    { from: '/a/b', to: '/a/c', waitMs: 0, intoDirectory: true },
    'Renamed /a/b to /a/c\n',
    { from: '/a/b', to: '/a/c' },
  ],
  [
    'setTtl /a/b 10m',
    'setTtl',
    changed as never,
    { path: '/a/b', ttlMs: 600_000, action: 'FREE' },
    "TTL of path '/a/b' was successfully set to 600000 milliseconds, with expiry action set to FREE\n",
    { path: '/a/b', ttlMs: 600_000, action: 'FREE', files: 3 },
  ],
  [
    'setTtl --action delete /a/b 1500',
    'setTtl',
    changed as never,
    { path: '/a/b', ttlMs: 1500, action: 'DELETE' },
    "TTL of path '/a/b' was successfully set to 1500 milliseconds, with expiry action set to DELETE\n",
    { path: '/a/b', ttlMs: 1500, action: 'DELETE', files: 3 },
  ],
  [
    'unsetTtl /a/b',
    'setTtl',
    changed as never,
    { path: '/a/b', ttlMs: -1, action: 'FREE' },
    "TTL of path '/a/b' was successfully removed.\n",
    { path: '/a/b', ttlMs: null, files: 3 },
  ],
  [
    'pin /a/b',
    'setPinned',
    changed as never,
    { path: '/a/b', pinned: true },
    "File '/a/b' was successfully pinned.\n",
    { path: '/a/b', pinned: true, files: 3 },
  ],
  [
    'unpin /a/b',
    'setPinned',
    changed as never,
    { path: '/a/b', pinned: false },
    "File '/a/b' was successfully unpinned.\n",
    { path: '/a/b', pinned: false, files: 3 },
  ],
  [
    'setReplication --max 5 /a/b',
    'setPathReplication',
    changed as never,
    { path: '/a/b', recursive: false, max: 5 },
    'Changed the replication level of /a/b\nreplicationMax was set to 5\n',
    { path: '/a/b', replicationMax: 5, replicationMin: null, files: 3 },
  ],
  [
    'setReplication -R --max -1 --min 2 /a',
    'setPathReplication',
    changed as never,
    { path: '/a', recursive: true, min: 2, max: -1 },
    'Changed the replication level of /a\nreplicationMax was set to -1\nreplicationMin was set to 2\n',
    { path: '/a', replicationMax: -1, replicationMin: 2, files: 3 },
  ],
  [
    'setReplication --min 0 --max 0 /a/b',
    'setPathReplication',
    changed as never,
    { path: '/a/b', recursive: false, min: 0, max: 0 },
    'Changed the replication level of /a/b\nreplicationMax was set to 0\nreplicationMin was set to 0\n',
    { path: '/a/b', replicationMax: 0, replicationMin: 0, files: 3 },
  ],
  [
    'chmod 644 /a/b',
    'setPathOwnership',
    changed as never,
    { path: '/a/b', recursive: false, mode: 0o644 },
    'Changed permission of /a/b to 644\n',
    { path: '/a/b', recursive: false, mode: 420, files: 3 },
  ],
  [
    'chmod -R u+x,g-w /a',
    'setPathOwnership',
    changed as never,
    { path: '/a', recursive: true, mode: 0o100, modeMask: 0o120 },
    'Changed permission of /a to u+x,g-w\n',
    { path: '/a', recursive: true, mode: 64, modeMask: 80, files: 3 },
  ],
  [
    'chown alice /a/b',
    'setPathOwnership',
    changed as never,
    { path: '/a/b', recursive: false, owner: 'alice' },
    'Changed owner of /a/b to alice\n',
    { path: '/a/b', recursive: false, owner: 'alice', files: 3 },
  ],
  [
    'chown alice:staff /a -R',
    'setPathOwnership',
    changed as never,
    { path: '/a', recursive: true, owner: 'alice', group: 'staff' },
    'Changed owner:group of /a to alice:staff.\n',
    { path: '/a', recursive: true, owner: 'alice', group: 'staff', files: 3 },
  ],
  [
    'chgrp staff /a/b',
    'setPathOwnership',
    changed as never,
    { path: '/a/b', recursive: false, group: 'staff' },
    'Changed group of /a/b to staff\n',
    { path: '/a/b', recursive: false, group: 'staff', files: 3 },
  ],
  [
    'loadMetadata -R /a',
    'loadMetadata',
    { added: 3, changed: 1, removed: 0, unchanged: 5 } as never,
    { path: '/a', recursive: true },
    'Metadata of /a was loaded: 3 added, 1 changed, 0 removed, 5 unchanged\n',
    { path: '/a', added: 3, changed: 1, removed: 0, unchanged: 5 },
  ],
]

describe('commands that change files', () => {
  it.each(commands)('fs %s', async (line, method, answer, request, text, document) => {
    const fake = new FakeLifecycle()
    const argv = ['fs', ...line.split(' ')]
    expect(await run(argv, fake.cluster(method, answer))).toMatchObject({
      code: 0,
      stdout: text,
      stderr: '',
      closed: 1,
    })
    const json = await run([...argv, '--format', 'json'], fake.cluster(method, answer))
    expect(JSON.parse(json.stdout)).toEqual(document)
    expect(fake.requests).toEqual([request, request])
  })
  it.each(commands)(
    'fs %s: what the master refuses is one line and exit 1, not found is exit 2',
    async (line, method) => {
      const argv = ['fs', ...line.split(' ')]
      const refused = new FakeLifecycle().cluster(method, new SkeinError('failed_precondition', 'no:\n not here'))
      expect(await run(argv, refused)).toMatchObject({ code: 1, stdout: '', stderr: 'skein: no: not here\n' })
      const missing = new FakeLifecycle().cluster(method, new SkeinError('not_found', 'gone'))
      expect(await run(argv, missing)).toMatchObject({ code: 2, stdout: '', stderr: 'skein: gone\n' })
    },
  )
  it('keeps a path with control characters on one line', async () => {
    const { stdout } = await run(['fs', 'mkdir', '/a/x\ny\u001B[2J'], new FakeLifecycle().cluster('makeDirectory', {}))
    expect(stdout).toBe('Successfully created directory /a/x\\x0ay\\x1b[2J\n')
  })
})

describe('what is refused before the cluster is asked', () => {
  it.each([
    ['mkdir'],
    ['mkdir', 'relative'],
    ['rm', '/a', '/b'],
    ['rm', '-f', '/a'],
    ['mv', '/a/b'],
    ['mv', '/a/b', 'c'],
    ['mv', '/a/b', '/a/../c'],
    ['setTtl', '/a/b'],
    ['setTtl', '/a/b', 'soon'],
    ['setTtl', '/a/b', '0'],
    ['setTtl', '/a/b', '-5m'],
    ['setTtl', '--', '/a/b', '-5'],
    ['setTtl', '/a/b', '5m', '--action', 'burn'],
    ['setReplication', '/a/b'],
    ['setReplication', '/a/b', '--max', '-2'],
    ['setReplication', '/a/b', '--min', '-1'],
    ['setReplication', '/a/b', '--max', '1.5'],
    ['setReplication', '/a/b', '--min', '2', '--max', '1'],
    ['setReplication', '/a/b', '--min', '1', '--max', '0'],
    ['chmod', '/a/b'],
    ['chmod', '888', '/a/b'],
    ['chmod', '', '/a/b'],
    ['chmod', 'u+X', '/a/b'],
    ['chmod', '-x', '/a/b'],
    ['chown', '', '/a/b'],
    ['chown', 'a:', '/a/b'],
    ['chown', ':g', '/a/b'],
    ['chown', 'a:b:c', '/a/b'],
    ['chown', 'x'.repeat(256), '/a/b'],
    ['chgrp', 'a:b', '/a/b'],
    ['chgrp', 'a\nb', '/a/b'],
    ['chgrp', 'g', '/a/../b'],
    ['pin'],
    ['load'],
    ['persist', '/a', '--parallelism', '0'],
    ['loadMetadata', '-r', '/a'],
    ['checkConsistency', '-R', '/a'],
    ['copyFromLocal', '/etc/hosts'],
    ['copyFromLocal', '', '/a'],
    ['copyToLocal', '/a', ''],
    ['mount', '/a'],
    ['mount', '/a/b', 's3://c'],
    ['unmount', '/a/b'],
    ['unmount', '/'],
  ])('fs %s %s %s %s %s', async (...argv) => {
    const { code, stdout, stderr, addresses } = await run(['fs', ...argv])
    expect([code, stdout, addresses]).toEqual([64, '', []])
    expect(stderr).toMatch(/^skein: \S.*\n$/)
  })
  it('a rename from one cluster to another', async () => {
    const fake = new FakeLifecycle()
    const { code, stderr } = await run(['fs', 'mv', 'gfs://one:1/a/b', 'gfs://two:2/a/c'], fake.cluster('rename', {}))
    expect([code, stderr, fake.requests]).toEqual([64, 'skein: the two paths are in different clusters\n', []])
  })
  it('but not one within the cluster that the first path names', async () => {
    const fake = new FakeLifecycle()
    expect((await run(['fs', 'mv', 'gfs://one:1/a/b', '/a/c'], fake.cluster('rename', {}))).addresses).toEqual([
      'one:1',
    ])
    expect((await run(['fs', 'mv', 'gfs://one:1/a/b', 'gfs://one:1/a/c'], fake.cluster('rename', {}))).code).toBe(0)
    expect(fake.requests).toEqual([
      { from: '/a/b', to: '/a/c', waitMs: 0, intoDirectory: true },
      { from: '/a/b', to: '/a/c', waitMs: 0, intoDirectory: true },
    ])
  })
})

describe('fs mount', () => {
  const namespace = (more: Partial<NamespaceInfo>): NamespaceInfo => ({
    namespaceId: 'n1',
    name: 'ns',
    uri: 'cosn://b/p',
    attributes: {},
    secretNames: [],
    createdMs: 0,
    ttlMs: 0,
    ttlAction: '',
    ...more,
  })
  const mounted = (...namespaces: NamespaceInfo[]): FakeCluster => ({
    master: { listNamespaces: async () => ({ namespaces }) },
  })
  it('is one line a namespace; secrets are never shown', async () => {
    const one = namespace({
      attributes: { readOnly: 'true', 'fs.cosn.bucket.region': 'eu' },
      secretNames: ['fs.cosn.userinfo.secretKey'],
    })
    expect((await run(['fs', 'mount'], mounted(one))).stdout).toBe(
      'cosn://b/p  on  /ns  (cosn, capacity=-1B, used=-1B, read-only, not shared, ' +
        'properties={fs.cosn.bucket.region=eu, fs.cosn.userinfo.secretKey=******, readOnly=true})\n',
    )
  })
  it('aligns several', async () => {
    expect(
      (await run(['fs', 'mount'], mounted(namespace({}), namespace({ name: 'long', uri: 'file:///d' })))).stdout,
    ).toBe(
      'cosn://b/p  on  /ns    (cosn, capacity=-1B, used=-1B, not read-only, not shared, properties={})\n' +
        'file:///d   on  /long  (file, capacity=-1B, used=-1B, not read-only, not shared, properties={})\n',
    )
  })
  it('is nothing, or an empty document, when nothing is mounted', async () => {
    expect(await run(['fs', 'mount'], mounted())).toMatchObject({ code: 0, stdout: '' })
    expect((await run(['fs', 'mount', '--format', 'json'], mounted())).stdout).toBe('{"mounts":[]}\n')
  })
})

describe('fsadmin decommission', () => {
  const answering = (...lefts: number[]): { readonly fake: FakeCluster; readonly requests: unknown[] } => {
    const requests: unknown[] = []
    return {
      requests,
      fake: {
        lifecycle: {
          decommission: async (request) => {
            requests.push(request)
            const blocksLeft = lefts[Math.min(requests.length, lefts.length) - 1] ?? 0
            return { workerId: 'w1', blocksLeft, done: blocksLeft === 0 }
          },
        },
      },
    }
  }
  it('asks once, and says how many blocks are left', async () => {
    const { fake, requests } = answering(7)
    const { code, stdout } = await run(['fsadmin', 'decommission', 'box'], fake)
    expect([code, stdout]).toEqual([
      0,
      'Worker box is being decommissioned: 7 blocks left. ' +
        'Stop it when no block is left; use --wait to wait for that.\n',
    ])
    expect(requests).toEqual([{ worker: 'box', cancel: false }])
  })
  it('--wait asks until it is done', async () => {
    const { fake, requests } = answering(7, 7, 3, 0)
    const { code, stdout, stderr } = await run(['fsadmin', 'decommission', '--wait', 'box'], fake)
    expect([code, stdout, stderr]).toEqual([
      0,
      'Worker box is decommissioned. You can stop it.\n',
      'worker box: 7 blocks left\n',
    ])
    expect(requests).toHaveLength(4)
    const json = await run(['fsadmin', 'decommission', 'box', '--wait', '--format', 'json'], answering(1, 0).fake)
    expect(JSON.parse(json.stdout)).toEqual({ workerId: 'w1', blocksLeft: 0, done: true, cancelled: false })
  })
  it('--wait ends with exit 4 when the user stops it', async () => {
    const stopped = await run(['fsadmin', 'decommission', '--wait', 'box'], answering(7).fake, {
      onSleep: (running, sleeps) => (sleeps === 2 ? running.stop() : undefined),
    })
    expect([stopped.code, stopped.stdout]).toEqual([4, ''])
    expect(stopped.stderr).toContain(
      "stopped waiting; the decommissioning of box continues: run 'skein fsadmin decommission box'",
    )
  })
  it('says why blocks are left', async () => {
    const waitingFor = 'no other worker has room'
    const fake: FakeCluster = {
      lifecycle: { decommission: async () => ({ workerId: 'w1', blocksLeft: 1, done: false, waitingFor }) },
    }
    expect((await run(['fsadmin', 'decommission', 'box'], fake)).stdout).toContain(
      '1 block left (no other worker has room).',
    )
  })
  it('--cancel takes it back', async () => {
    const { fake, requests } = answering(7)
    expect((await run(['fsadmin', 'decommission', 'box', '--cancel'], fake)).stdout).toBe(
      'Worker box accepts blocks again.\n',
    )
    expect(requests).toEqual([{ worker: 'box', cancel: true }])
  })
  it('refuses nonsense, and an unknown worker is not found', async () => {
    for (const argv of [['--cancel', '--wait', 'box'], [], [' '], ['a', 'b']])
      expect((await run(['fsadmin', 'decommission', ...argv], answering(1).fake)).code).toBe(64)
    const unknown = new FakeLifecycle().cluster('decommission', new SkeinError('not_found', "there is no worker 'x'"))
    expect(await run(['fsadmin', 'decommission', 'x'], unknown)).toMatchObject({
      code: 2,
      stderr: "skein: there is no worker 'x'\n",
    })
  })
})

describe('fsadmin forget', () => {
  it('asks the master, and says what it answers', async () => {
    const fake: FakeCluster = { lifecycle: { forgetWorker: async () => ({ workerId: 'w1' }) } }
    expect(await run(['fsadmin', 'forget', 'box'], fake)).toMatchObject({
      code: 0,
      stdout: 'Worker box is forgotten.\n',
    })
    expect((await run(['fsadmin', 'forget', 'box', '--format', 'json'], fake)).stdout).toBe(
      '{"workerId":"w1","forgotten":true}\n',
    )
    for (const argv of [[], [' '], ['a', 'b']]) expect((await run(['fsadmin', 'forget', ...argv], fake)).code).toBe(64)
  })
})

describe('a path that somebody else has', () => {
  const busy = new SkeinError('deadline_exceeded', '/a/b is being written to the store; try again', {
    reason: 'path_busy',
  })

  it.each(['mv /a/b /a/c --timeout 3s', 'rm /a/b --timeout 3s'])(
    'is waited for, said at once, and not for ever: %s',
    async (line) => {
      const waits: unknown[] = []
      const act = async ({ waitMs }: { waitMs?: number | undefined }): Promise<never> => {
        waits.push(waitMs)
        throw busy
      }
      const { code, stderr } = await run(['fs', ...line.split(' ')], { lifecycle: { rename: act, delete: act } })
      expect({ code, waits }).toEqual({ code: 1, waits: [0, 3000] })
      expect(stderr.split('\n').slice(0, 2)).toEqual([
        'skein: /a/b is being written to the store: waiting for 3s at most (--timeout)',
        'skein: /a/b is being written to the store, still after 3s; ' +
          'nothing was changed: try again later, or use a longer --timeout',
      ])
    },
  )

  it('may be free again', async () => {
    let calls = 0
    const rename = async (): Promise<Record<string, never>> => {
      calls += 1
      if (calls === 1) throw busy
      return {}
    }
    const { code, stdout, stderr } = await run(['fs', 'mv', '/a/b', '/a/c'], { lifecycle: { rename } })
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Renamed /a/b to /a/c\n' })
    expect(stderr).toContain('waiting for 10m at most')
  })
})
