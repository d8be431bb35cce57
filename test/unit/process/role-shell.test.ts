// Why: a role that hangs while it stops is killed by whoever waits for it, in the end, and nobody
// knows why. It is to give up by itself, in time, and to say what hung.
import { afterEach, expect, test } from 'vitest'
import type { Config } from '../../../src/config/config.ts'
import { loadConfig } from '../../../src/config/read-config.ts'
import { type RoleContext, runRole } from '../../../src/process/role-shell.ts'
import { settle, VirtualClock } from '../../model/support/load-doubles.ts'

const clock = new VirtualClock()
const machine = { homeDirectory: '/nowhere', hostname: 'box', cpus: 2, cwd: '/' }
const config: Config = loadConfig({
  mode: 'role',
  definitions: { 'skein.shutdown.timeout': '20s' },
  environment: {},
  machine,
})
const forever = new Promise<never>(() => undefined)

/** A role that is told to stop at once; what became of it, and after how many milliseconds. */
async function stopped(start: (context: RoleContext) => Promise<void>, stopAfterMs = 0) {
  const stop = new AbortController()
  let [stdout, stderr] = ['', '']
  const io = {
    stdout: (text: string) => void (stdout += text),
    stderr: (text: string) => void (stderr += text),
    stop: stop.signal,
  }
  const beganMs = clock.now
  let outcome: string | undefined
  let endedMs = 0
  const end = (what: string): void => {
    outcome = what
    endedMs = clock.now
  }
  const role = async (context: RoleContext): Promise<Record<string, never>> => {
    await start(context)
    return {}
  }
  void runRole('worker', config, io, role, clock).then(
    () => end('stopped'),
    (thrown: unknown) => end(String(thrown)),
  )
  clock.schedule(stopAfterMs, () => stop.abort())
  await settle()
  for (let step = 0; outcome === undefined && step < 100; step += 1) await clock.advance(500)
  return { outcome, tookMs: endedMs - beganMs, stdout, stderr }
}

const undone: string[] = []
afterEach(() => void undone.splice(0))

test('stops in reverse order, and is done when all of it has stopped', async () => {
  const { outcome, stdout } = await stopped(async ({ onStop }) => {
    onStop('journal', () => void undone.push('journal'))
    onStop('port', () => clock.sleep(19_000, new AbortController().signal).then(() => void undone.push('port')))
  })
  expect([outcome, undone, stdout]).toEqual(['stopped', ['port', 'journal'], '{"ready":"worker"}\n'])
})

test('gives up when the time is over, and says what hung', async () => {
  const { outcome, tookMs } = await stopped(async ({ onStop }) => {
    onStop('journal', () => void undone.push('journal'))
    onStop('queue', () => forever)
    onStop('port', () => void undone.push('port'))
  }, 3000)
  expect(outcome).toBe('SkeinError: worker did not stop within 20s (skein.shutdown.timeout): queue was still running')
  expect([tookMs, undone]).toEqual([23_000, ['port']])
})

test('gives up also when it is told to stop while it starts, and the start hangs', async () => {
  const { outcome, stdout } = await stopped(() => forever)
  expect(outcome).toMatch(/^SkeinError: worker did not stop within 20s .* its start was still running/)
  expect(stdout).toBe('')
})

test('says what it failed with when it does not stop after it either', async () => {
  const { outcome } = await stopped(async ({ onStop, fail }) => {
    onStop('queue', () => forever)
    fail(new Error('the journal is full'))
  }, 60_000)
  expect(outcome).toMatch(
    /^SkeinError: the journal is full; then worker did not stop within 20s .*: queue was still running/,
  )
})

test('of the time, those who are served get three quarters, all together', async () => {
  const left: number[] = []
  await stopped(async ({ onStop, drainMs }) => {
    for (const name of ['data port', 'rpc']) {
      onStop(name, async () => {
        left.push(drainMs())
        await clock.sleep(drainMs(), new AbortController().signal)
      })
    }
  })
  expect(left).toEqual([15_000, 0])
})
