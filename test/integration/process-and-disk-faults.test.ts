// Why: processes are stopped and killed, ports and directories are taken, and buckets change while
// they are loaded; every time the user is told in one line, and nothing that was there is lost.
// How: `skein local` and the project's own origin, whose answers are slowed so that a load is
// surely in its middle.
import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startChild } from '../support/child.ts'
import { main, run } from '../support/cluster.ts'
import { sha256 } from '../support/dataset.ts'
import { freePorts, LocalSkein, oneLine } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { childEnvironment } from '../support/child-environment.ts'

const objectCount = 40
/** Two reads at a time, so that slow answers make a slow load. */
const slow = {
  'fs.cosn.upload_thread_pool': 2,
  'goosefs.job.worker.max.active.task.num': 2,
  'goosefs.job.worker.threadpool.size': 2,
}

let origin: Origin

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin.bucket('data').generateMany('dir/part-', objectCount, 300_000)
})
afterAll(() => origin?.close())

const slowDown = (): void => origin.faults.add({ kind: 'delay', on: 'get', delayMs: 400, times: 1e9 })

/** Resolves when a load has begun to read. */
async function reading(): Promise<void> {
  const before = origin.counters.requests.get
  await expect.poll(() => origin.counters.requests.get, { timeout: 30_000, interval: 10 }).toBeGreaterThan(before + 3)
}

/** What of the bucket is not in the cache as the store has it; empty when all is well. */
async function wrongFiles(skein: LocalSkein, namespace: string): Promise<string[]> {
  const bucket = origin.bucket('data')
  const oracle = new Oracle(skein.addresses()['master'] ?? '')
  const wrong: string[] = []
  try {
    for (const key of bucket.sortedKeys) {
      const found = await oracle.checksum(`/${namespace}/${key}`).catch(String)
      if (found !== sha256(bucket.bytesOf(key))) wrong.push(`${key}: ${found}`)
    }
  } finally {
    oracle.close()
  }
  return wrong
}

describe('a load in its middle', () => {
  let skein: LocalSkein
  let number = 0
  let namespace = ''

  beforeAll(async () => {
    skein = await LocalSkein.start({ properties: slow })
  })
  afterAll(() => skein?.dispose())
  beforeEach(async () => {
    number += 1
    namespace = `n${number}`
    expect(await skein.createNamespace(namespace, origin, 'data')).toMatchObject({ code: 0 })
    slowDown()
  })
  afterEach(() => origin.faults.clear())

  it('Ctrl-C cancels it: exit 4, CANCELLED', async () => {
    const command = skein.startCli('fs', 'distributedLoad', `/${namespace}`)
    await reading()
    command.child.process.kill('SIGINT')
    expect(await command.child.ended).toBe(4)
    expect(command.stderr()).toContain(
      'skein: cancelling; press Ctrl-C again to exit without waiting; ' +
        'load the missing files later with: skein job resume L',
    )
    expect(command.stderr()).toMatch(/load L\d+ CANCELLED/)
    expect((await skein.cli('job', 'ls')).stdout).toMatch(/L1\s+CANCELLED/)
  })

  it('Ctrl-C twice leaves it: exit 4, and says how to follow it', async () => {
    const command = skein.startCli('fs', 'distributedLoad', `/${namespace}`)
    await reading()
    // Nobody answers, so that the first stop is still under way at the second.
    skein.child.process.kill('SIGSTOP')
    command.child.process.kill('SIGINT')
    await expect.poll(() => command.stderr(), { timeout: 20_000, interval: 10 }).toContain('press Ctrl-C again')
    command.child.process.kill('SIGINT')
    const code = await command.child.ended
    skein.child.process.kill('SIGCONT')
    expect(code).toBe(4)
    const loadId =
      /load (L\d+) continues; follow it with: skein job progress \1 --watch/.exec(command.stderr())?.[1] ?? ''
    origin.faults.clear()
    const watch = await skein.cli('job', 'progress', loadId, '--watch')
    expect(watch.stderr).toMatch(/load L\d+ (COMPLETED|CANCELLED)/)
  })

  it('ns delete ends it with a reason, and the namespace can be made again', async () => {
    const loading = skein.cli('fs', 'distributedLoad', `/${namespace}`)
    await reading()
    expect(await skein.cli('ns', 'delete', namespace)).toMatchObject({ code: 0 })
    origin.faults.clear()
    const load = await loading
    expect([1, 2, 3]).toContain(load.code)
    expect(load.stderr).toMatch(/load L\d+ (FAILED|PARTIAL): .*the namespace does not exist any more/)
    expect(await skein.cli('fs', 'ls', `/${namespace}`)).toMatchObject({ code: 2 })
    expect(await skein.createNamespace(namespace, origin, 'data')).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'distributedLoad', `/${namespace}`)).toMatchObject({ code: 0 })
    expect(await wrongFiles(skein, namespace)).toEqual([])
  })

  it('an object that is deleted is named (exit 3), one that is overwritten is loaded in its new version', async () => {
    const bucket = origin.bucket('data')
    const [overwritten, deleted] = ['zz/overwritten', 'zz/deleted']
    for (const key of [overwritten, deleted]) bucket.generate(key, 300_000)
    const loading = skein.cli('fs', 'distributedLoad', `/${namespace}`, '--batch-size', '2')
    await reading()
    bucket.delete(deleted)
    const { etag } = bucket.overwrite(overwritten)
    origin.faults.clear()
    const load = await loading
    expect(load.code).toBe(3)
    expect(load.stdout).toContain(`Total completed file count is ${objectCount + 1}, failed file count is 1\n`)
    expect(load.stdout).toMatch(new RegExp(`/${namespace}/${deleted}: .+`))
    expect(await wrongFiles(skein, namespace)).toEqual([])
    expect((await skein.cli('fs', 'stat', `/${namespace}/${overwritten}`)).stdout).toContain(etag)
    bucket.delete(overwritten)
  })

  it('an object that the store refuses is named with the reason, and the others are there', async () => {
    const refused = origin.bucket('data').sortedKeys[5] ?? ''
    origin.faults.clear()
    origin.faults.add(
      { kind: 'denied', on: 'get', key: refused, times: 1e9 },
      { kind: 'delay', on: 'get', delayMs: 50, times: 1e9 },
    )
    const load = await skein.cli('fs', 'distributedLoad', `/${namespace}`)
    expect(load.code).toBe(3)
    expect(load.stdout).toContain(`Total completed file count is ${objectCount - 1}, failed file count is 1\n`)
    expect(load.stdout).toMatch(new RegExp(`/${namespace}/${refused}: .*403 AccessDenied`))
  })

  it('a reader that has seen enough is no failure', async () => {
    const big = origin.bucket('data').generate('zz/big', 20_000_000)
    origin.faults.clear()
    const { child } = skein.startCli('fs', 'cat', `/${namespace}/${big.key}`)
    await new Promise((resolve) => child.process.stdout?.once('data', resolve))
    child.process.stdout?.destroy()
    expect(await child.ended).toBe(0)
    origin.bucket('data').delete(big.key)
  })

  it('goes on when the store was unwell for a while', async () => {
    const loading = skein.cli('fs', 'distributedLoad', `/${namespace}`)
    await reading()
    origin.faults.clear()
    origin.faults.add(
      { kind: 'slow_down', times: 4, share: 0.2 },
      { kind: 'internal', times: 10, share: 0.2 },
      { kind: 'cut', on: 'get', afterBytes: 1000, times: 10, share: 0.2 },
    )
    expect(await loading).toMatchObject({ code: 0 })
    origin.faults.clear()
    expect(await wrongFiles(skein, namespace)).toEqual([])
  })
})

describe('processes', () => {
  let skein: LocalSkein

  beforeEach(() => {
    skein = new LocalSkein({ properties: slow })
  })
  afterEach(async () => {
    origin.faults.clear()
    await skein.dispose()
  })

  it('kill -9 in the middle of a load: after a restart it goes on by itself and completes', async () => {
    await skein.start()
    expect(await skein.createNamespace('data', origin, 'data')).toMatchObject({ code: 0 })
    slowDown()
    const submitted = await skein.cli('fs', 'distributedLoad', '/data', '--async', '--batch-size', '4')
    const loadId = /jobControlId = (L\d+)/.exec(submitted.stdout)?.[1] ?? ''
    await reading()
    await skein.stop('SIGKILL')
    const unreachable = await skein.cli('job', 'ls')
    expect(oneLine(unreachable)).toMatch(/is it running\?/)
    expect(unreachable.code).toBe(1)
    origin.faults.clear()
    await skein.start()
    const watch = await skein.cli('job', 'progress', loadId, '--watch')
    expect(watch.stderr).toContain(`load ${loadId} COMPLETED`)
    expect(watch.code).toBe(0)
    expect(await wrongFiles(skein, 'data')).toEqual([])
  })

  it('SIGTERM in the middle of a load: exit 0; after a restart the load goes on', async () => {
    await skein.start()
    expect(await skein.createNamespace('data', origin, 'data')).toMatchObject({ code: 0 })
    slowDown()
    await skein.cli('fs', 'distributedLoad', '/data', '--async', '--batch-size', '4')
    await reading()
    const { child } = skein
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(existsSync(join(skein.home, 'skein.json'))).toBe(false)
    expect(skein.log()).not.toMatch(/"level":"error"|cleanly|a load ended/)
    origin.faults.clear()
    await skein.start()
    expect(await skein.cli('job', 'progress', 'L1', '--watch')).toMatchObject({ code: 0 })
    expect(await wrongFiles(skein, 'data')).toEqual([])
  })

  it('a second SIGTERM ends it at once, and a restart is whole', async () => {
    await skein.start()
    expect(await skein.createNamespace('data', origin, 'data')).toMatchObject({ code: 0 })
    const { child } = skein
    child.process.kill('SIGTERM')
    child.process.kill('SIGTERM')
    expect([0, 1]).toContain(await child.ended)
    await skein.start()
    expect((await skein.cli('ns', 'ls')).stdout).toContain('data')
  })

  it('SIGTERM while it starts: exit 0', async () => {
    const starting = skein.start().catch(() => undefined)
    await expect.poll(() => existsSync(join(skein.home, 'master')), { timeout: 20_000, interval: 1 }).toBe(true)
    skein.child.process.kill('SIGTERM')
    expect(await skein.child.ended).toBe(0)
    await starting
  })

  it('a home that another process has, as any role: exit 1, its pid is named, and that process goes on', async () => {
    await skein.start()
    for (const role of ['local', 'master', 'worker']) {
      const second = await run([role, '--home', skein.home, ...freePorts], { timeoutMs: 30_000 })
      expect(oneLine(second)).toContain(`is in use by process ${skein.child.pid}: stop it, or use another directory`)
      expect(second).toMatchObject({ code: 1, stdout: '' })
    }
    expect(await skein.cli('ns', 'ls')).toMatchObject({ code: 0 })
  })

  it('block directories that another process has: exit 1', async () => {
    await skein.start()
    const blocks = join(skein.home, 'worker', 'blocks')
    const second = await run(
      [
        'local',
        '--home',
        join(skein.folder, 'other'),
        ...freePorts,
        `-Dgoosefs.worker.tieredstore.level0.dirs.path=${blocks}`,
      ],
      { timeoutMs: 30_000 },
    )
    expect(second.stderr).toContain(blocks)
    expect(second.stderr).toMatch(/skein: .*(in use by process|belongs to worker)/)
    expect(second.code).toBe(1)
  })

  it('a port that is taken: exit 1, the port is named', async () => {
    const keys = ['master.rpc', 'master.web', 'worker.rpc', 'worker.data', 'job.master.rpc'].map(
      (key) => `goosefs.${key}.port`,
    )
    for (const key of keys) {
      const started = await run(['local', '--home', skein.home, ...freePorts, `-D${key}=${origin.port}`], {
        timeoutMs: 30_000,
      })
      expect(started.stderr).toMatch(new RegExp(`skein: .*: port ${origin.port} is in use .*choose another port\n$`))
      expect(started).toMatchObject({ code: 1, stdout: '' })
    }
  })

  it('lists a directory that came after the listing began; nothing is lost when the reader is a socket', async () => {
    await skein.start()
    expect(await skein.createNamespace('data', origin, 'data')).toMatchObject({ code: 0 })
    // The whole tree is known, but not what came later.
    expect(await skein.cli('fs', 'ls', '-R', '/data')).toMatchObject({ code: 0 })
    const many = origin.bucket('data')
    many.generateMany('many/', 2000, 10)
    try {
      const all = await skein.json<{ entries: unknown[] }>('fs', 'ls', '-R', '/data/many')
      expect(all.entries).toHaveLength(2000)
    } finally {
      for (const key of many.sortedKeys.filter((one) => one.startsWith('many/'))) many.delete(key)
    }
  })
})

describe('whoever reads what a command writes', () => {
  let skein: LocalSkein

  beforeAll(async () => {
    skein = await LocalSkein.start()
    expect(await skein.createNamespace('data', origin, 'data')).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'distributedLoad', '/data')).toMatchObject({ code: 0 })
  })
  afterAll(() => skein?.dispose())

  /**
   * Runs `skein WORDS` in a shell, with what is behind it; its exit code and what it says on
   * stderr.
   */
  async function shell(words: string, behind: string): Promise<{ code: number; stderr: string }> {
    const env = childEnvironment({ SKEIN_HOME: skein.home, NODE: process.execPath, MAIN: main })
    // The code of the first command of the pipe, not that of the last.
    const script = `"$NODE" "$MAIN" ${words} ${behind}; exit \${PIPESTATUS[0]}`
    return await new Promise((resolve) => {
      execFile('bash', ['-c', script], { env, timeout: 60_000 }, (error, _stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stderr })
      })
    })
  }

  it('may have enough: what came of a load is told by the exit code all the same', async () => {
    expect(await shell('fs ls -R /data', '| head -1')).toMatchObject({ code: 0, stderr: '' })
    expect(await shell('fs cat /data/dir/part-0000001', '| head -c 1')).toMatchObject({ code: 0, stderr: '' })
    expect(await shell('--format json job progress L1 --watch', '| head -1')).toMatchObject({ code: 0, stderr: '' })
    expect((await shell('fs distributedLoad /data', '| true')).code).toBe(0)
    expect((await shell("fs distributedLoad '/data/dir/part-{0000001,9999999}'", '| true')).code).toBe(3)
  })

  it('may not listen to what is said beside the result', async () => {
    for (const nowhere of ['2> >(true)', '2> /dev/full', '2>&-']) {
      expect((await shell('fs distributedLoad /data', nowhere)).code).toBe(0)
      expect((await shell('fs ls /nowhere', nowhere)).code).toBe(2)
    }
  })

  it('may be a full disk: exit 1, and one line says so', async () => {
    for (const words of ['fs ls /data', 'fs cat /data/dir/part-0000001', '--format json job stat L1']) {
      const { code, stderr } = await shell(words, '> /dev/full')
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^skein: stdout cannot be written: ENOSPC[^\n]*\n$/)])
    }
  })
})

describe('a role whose disk hangs', () => {
  it.each([
    [
      'when it is told once, in time',
      1,
      '2s',
      1,
      /^skein: local did not stop within 2s \(skein\.shutdown\.timeout\): .* was still running$/,
    ],
    ['when it is told twice, at once', 2, '10m', 1, undefined],
  ] as const)('ends all the same %s', async (_when, signals, timeout, code, words) => {
    const folder = mkdtempSync(join(tmpdir(), 'skein-hang-'))
    const [pipe, logFile] = [join(folder, 'home', 'master', 'cluster.id'), join(folder, 'log')]
    mkdirSync(join(folder, 'home', 'master'), { recursive: true, mode: 0o700 })
    // Whoever opens it to read waits, in a thread that nobody can wake, as at a disk that does not
    // answer.
    execFileSync('mkfifo', ['-m', '600', pipe])
    const flags = [`-Dskein.shutdown.timeout=${timeout}`]
    const child = startChild(
      process.execPath,
      [main, 'local', '--home', join(folder, 'home'), ...freePorts, ...flags],
      { logFile },
    )
    let writer: number | undefined
    const isRead = (): boolean => {
      try {
        // Fails as long as nobody reads.
        writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
        return true
      } catch {
        return false
      }
    }
    try {
      await expect.poll(isRead, { timeout: 60_000, interval: 20 }).toBe(true)
      child.process.kill('SIGTERM')
      if (signals === 2) {
        // One after the other, or they are one.
        const heard = (): boolean =>
          readFileSync(`/proc/${child.pid}/status`, 'utf8').includes('ShdPnd:\t0000000000000000')
        await expect.poll(heard, { timeout: 60_000, interval: 20 }).toBe(true)
        child.process.kill('SIGTERM')
      }
      expect(await child.ended).toBe(code)
      if (words !== undefined) expect(readFileSync(logFile, 'utf8').trimEnd().split('\n').at(-1)).toMatch(words)
    } finally {
      if (writer !== undefined) closeSync(writer)
      await child.end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
