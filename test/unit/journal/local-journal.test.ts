// Why: what is LocalJournal's own: files, the lock, torn tails, rot, a full disk, and that groups
// share a sync.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { diskFileSystem, type JournalFileSystem } from '../../../src/journal/disk/journal-files.ts'
import type { Journal, Term } from '../../../src/journal/journal.ts'
import { openLocalJournal } from '../../../src/journal/log/local-journal.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { entriesOf } from '../../conformance/support/journal.ts'

const never = new AbortController().signal
let parent: string
let directory: string
let metrics: MetricRegistry
const opened: Journal[] = []

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'skein-journal-'))
  directory = join(parent, 'journal')
  metrics = new MetricRegistry()
})
afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close()
  await rm(parent, { recursive: true, force: true })
})

async function open(segmentBytesMax = 1 << 20, fileSystem: JournalFileSystem = diskFileSystem): Promise<Journal> {
  const journal = await openLocalJournal({
    directory,
    segmentBytesMax,
    fileSystem,
    logger: silentLogger,
    metrics,
    clock: systemClock,
  })
  opened.push(journal)
  return journal
}

/** Entries 1..count, one group each, then closed. */
async function filled(count: number, segmentBytesMax?: number): Promise<void> {
  const journal = await open(segmentBytesMax)
  const term = await journal.campaign('a', never)
  for (let seq = 1; seq <= count; seq += 1) await journal.append(term, BigInt(seq), Buffer.from(`entry number ${seq}`))
  await journal.close()
}

const segments = async (): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.startsWith('segment-')).sort()

async function flipByte(name: string, at: number): Promise<void> {
  const bytes = await readFile(join(directory, name))
  bytes[at] = (bytes[at] ?? 0) ^ 0x40
  await writeFile(join(directory, name), bytes)
}

describe('files', () => {
  test('the directory is for its owner alone', async () => {
    await open()
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  })

  test('overlapping appends share syncs', async () => {
    const journal = await open()
    const term = await journal.campaign('a', never)
    await Promise.all(Array.from({ length: 1000 }, (_, i) => journal.append(term, BigInt(i + 1), Buffer.from('x'))))
    expect(metrics.get('skein_journal_appends_total')).toBe(1000)
    const syncs = /^skein_journal_sync_duration_seconds_count (\d+)$/m.exec(metrics.prometheusText())?.[1]
    expect([1, 2]).toContain(Number(syncs))
  })

  test('truncation removes whole old segments and never the one being written', async () => {
    await filled(100, 500)
    const before = await segments()
    expect(before.length).toBeGreaterThan(5)
    const journal = await open(500)
    const term = await journal.campaign('a', never)
    await journal.truncate(term, 50n)
    const after = await segments()
    expect(after.length).toBeLessThan(before.length)
    await expect(entriesOf(journal, 1n)).rejects.toMatchObject({ code: 'data_loss' })
    await journal.truncate(term, 1000n)
    expect(await segments()).toEqual(before.slice(-1))
    expect(await journal.append(term, 101n, Buffer.from('next'))).toBe('ok')
  })
})

describe('damage', () => {
  test('a torn tail is cut wherever it tears, and its place is written again', async () => {
    await filled(5)
    const [name = ''] = await segments()
    const whole = (await stat(join(directory, name))).size
    await truncate(join(directory, name), whole - 1)
    const journal = await open()
    expect((await entriesOf(journal, 1n)).length).toBe(4)
    const term = await journal.campaign('a', never)
    expect(await journal.append(term, 5n, Buffer.from('again'))).toBe('ok')
    expect((await entriesOf(journal, 5n)).map((entry) => Buffer.from(entry.bytes).toString())).toEqual(['again'])
  })

  test('a whole entry behind a torn one is gone for good, also when its place fits again', async () => {
    const journal = await open()
    const term = await journal.campaign('a', never)
    await Promise.all([
      journal.append(term, 1n, Buffer.from('torn one')),
      journal.append(term, 2n, Buffer.from('whole one')),
    ])
    await journal.close()
    const [name = ''] = await segments()
    await flipByte(name, (await readFile(join(directory, name))).indexOf('torn one'))
    const again = await open()
    expect(await entriesOf(again, 1n)).toEqual([])
    await again.append(await again.campaign('a', never), 1n, Buffer.from('new  one'))
    await again.close()
    expect((await entriesOf(await open(), 1n)).map((entry) => Buffer.from(entry.bytes).toString())).toEqual([
      'new  one',
    ])
  })

  test('a flipped bit before the tail is data loss that names segment and seq', async () => {
    await filled(5)
    const [name = ''] = await segments()
    const bytes = await readFile(join(directory, name))
    await flipByte(name, bytes.indexOf('entry number 3'))
    await expect(open()).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringMatching(/segment-0{19}1\.journal at seq 3/),
    })
  })

  test('a flipped bit in an older segment is found when it is read', async () => {
    await filled(100, 500)
    const names = await segments()
    await flipByte(names[2] ?? '', 60)
    const journal = await open()
    await expect(entriesOf(journal, 1n)).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringContaining(names[2] ?? ''),
    })
  })

  test('a missing segment is data loss', async () => {
    await filled(100, 500)
    await rm(join(directory, (await segments())[3] ?? ''))
    const journal = await open()
    await expect(entriesOf(journal, 1n)).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('a segment whose making was interrupted is removed', async () => {
    await filled(3)
    await writeFile(join(directory, 'segment-00000000000000000004.journal'), 'SKEIN')
    expect((await entriesOf(await open(), 1n)).length).toBe(3)
  })

  test('a damaged epoch file is not taken for a fresh start', async () => {
    await filled(1)
    await writeFile(join(directory, 'epoch'), '{}')
    await expect(open()).rejects.toMatchObject({ code: 'data_loss' })
  })

  test('bytes of another journal inside an entry are no entry', async () => {
    await filled(3)
    const [name = ''] = await segments()
    const copy = await readFile(join(directory, name))
    await rm(directory, { recursive: true })
    const journal = await open()
    const term = await journal.campaign('a', never)
    expect(await journal.append(term, 1n, copy)).toBe('ok')
    await journal.close()
    const [own = ''] = await segments()
    await truncate(join(directory, own), (await stat(join(directory, own))).size - 1)
    expect(await entriesOf(await open(), 1n)).toEqual([])
  })
})

describe('the disk fails', () => {
  /** The file system with a fault before the chosen operation of a segment. */
  function faulty(fault: (operation: 'write' | 'sync') => void): JournalFileSystem {
    const wrap = async (opening: ReturnType<JournalFileSystem['open']>): ReturnType<JournalFileSystem['open']> => {
      const file = await opening
      return {
        ...file,
        write: async (bytes, position) => {
          fault('write')
          await file.write(bytes, position)
        },
        sync: async () => {
          fault('sync')
          await file.sync()
        },
      }
    }
    return {
      ...diskFileSystem,
      create: (path) => wrap(diskFileSystem.create(path)),
      open: (path) => wrap(diskFileSystem.open(path)),
    }
  }

  test.each([
    ['write', 'ENOSPC', 'resource_exhausted'],
    ['sync', 'EIO', 'unavailable'],
  ] as const)('in a %s (%s): unknown, then refused until it is opened again', async (operation, errno, code) => {
    let armed = false
    const fileSystem = faulty((each) => {
      if (armed && each === operation) throw Object.assign(new Error(errno), { code: errno })
    })
    const journal = await open(1 << 20, fileSystem)
    const term: Term = await journal.campaign('a', never)
    await journal.append(term, 1n, Buffer.from('before'))
    armed = true
    expect(
      await Promise.all([journal.append(term, 2n, Buffer.from('b')), journal.append(term, 3n, Buffer.from('c'))]),
    ).toEqual(['unknown', 'unknown'])
    expect(term.signal.aborted).toBe(true)
    await expect(journal.append(term, 4n, Buffer.from('d'))).rejects.toMatchObject({
      code,
      retryable: false,
      message: expect.stringContaining(errno),
    })
    await expect(journal.campaign('a', never)).rejects.toMatchObject({ code })
    expect((await entriesOf(journal, 1n)).length).toBe(1)
    await journal.close()
    armed = false
    const again = await open()
    const last = (await entriesOf(again, 1n)).at(-1)?.seq ?? 0n
    expect(await again.append(await again.campaign('a', never), last + 1n, Buffer.from('after'))).toBe('ok')
  })
})

describe('the lock', () => {
  test('a second opener is refused with the pid of the first, and let in after close', async () => {
    const first = await open()
    await expect(open()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(`process ${process.pid}`),
    })
    await first.close()
    await open()
  })

  /** Another process that takes the lock and says so, or the message of the refusal. */
  async function rival(): Promise<{ says: string; pid: number | undefined; kill: () => Promise<void> }> {
    const module = new URL('../../../src/journal/disk/directory-lock.ts', import.meta.url).href
    const script = `
      const { lockDirectory } = await import(${JSON.stringify(module)})
      try {
        lockDirectory(${JSON.stringify(directory)})
        console.log('locked')
      } catch (error) {
        console.log(error.message)
      }
      globalThis.gc()
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const kill = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    onTestFinished(kill)
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    return { says: line.toString().trim(), pid: child.pid, kill }
  }

  test('of another process holds, and dies with it', async () => {
    await mkdir(directory, { mode: 0o700 })
    const holder = await rival()
    expect(holder.says).toBe('locked')
    await delay(50)
    await expect(open()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(`process ${holder.pid}`),
    })
    await holder.kill()
    await open()
  })

  test('is not lost when its own process tries again', async () => {
    await open()
    await expect(open()).rejects.toMatchObject({ code: 'failed_precondition' })
    expect((await rival()).says).toContain(`in use by process ${process.pid}`)
  })

  test('a path that is no directory is one clear error', async () => {
    await writeFile(directory, 'in the way')
    await expect(open()).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining(directory),
    })
  })
})
