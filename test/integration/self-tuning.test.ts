// Why: with skein.tuning=auto a load reads as the store allows, and tells what it did and why. How:
// a whole Skein, and an origin that is far away and for a while asks to slow down. Only directions
// are asserted: fewer requests than before, then more again, and the reasons.
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalSkein } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

const objects = 200_000

describe('a load that tunes itself', () => {
  let origin: Origin
  let skein: LocalSkein
  let loadId = ''

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'], seed: 5 })
    origin.bucket('data').generateMany('small/', objects, 4096)
    skein = await LocalSkein.start({ quota: '2GB', properties: { 'fs.cosn.upload_thread_pool': 12 } })
    expect(await skein.createNamespace('data', origin, 'data')).toMatchObject({ code: 0 })
    origin.faults.add(...distant())
    const submitted = await skein.json<{ loadId: string }>('fs', 'distributedLoad', '/data/', '--async')
    ;({ loadId } = submitted)
  }, 120_000)
  afterAll(async () => {
    await skein?.cli('job', 'cancel', loadId)
    await skein?.dispose()
    await origin?.close()
  })

  const distant = () => [{ kind: 'delay', on: 'get', delayMs: 20, times: Number.POSITIVE_INFINITY }] as const
  /** Requests for objects a second, over a second. */
  const rate = async (): Promise<number> => {
    const [beganMs, before] = [performance.now(), origin.counters.requests.get]
    await delay(1000)
    return ((origin.counters.requests.get - before) * 1000) / (performance.now() - beganMs)
  }
  const decisions = async (): Promise<string[]> => {
    type Told = { tuning?: { jobWorkers: { decisions: { text: string }[] }[] } }
    const { tuning } = await skein.json<Told>('job', 'progress', loadId)
    return tuning?.jobWorkers.flatMap((one) => one.decisions.map(({ text }) => text)) ?? []
  }

  it('asks less while the store asks to slow down, and more again afterwards', async () => {
    await expect.poll(() => origin.counters.requests.get).toBeGreaterThan(500)
    const before = await rate()
    expect(before).toBeGreaterThan(0)
    origin.faults.clear()
    origin.faults.add({ kind: 'slow_down', on: 'get', share: 0.2, times: Number.POSITIVE_INFINITY }, ...distant())
    await expect
      .poll(decisions)
      .toContainEqual(expect.stringMatching(/^\d+ -> \d+ reads at once: the store asks to slow/))
    await expect.poll(rate, { interval: 0 }).toBeLessThan(before / 2)
    const during = await rate()
    origin.faults.clear()
    origin.faults.add(...distant())
    await expect.poll(rate, { interval: 0 }).toBeGreaterThan(Math.max(1, during * 2))
    await expect
      .poll(decisions)
      .toContainEqual(expect.stringMatching(/reads at once: the store no longer asks to slow/))
    const { stdout } = await skein.cli('job', 'progress', loadId)
    expect(stdout).toMatch(/job worker \S+ .*: \d+ ranges of 4MB or \d+ small files at once, \d+ tasks\n/)
    // The list of files is long: only the head of the output is read.
    const { child, stderr } = skein.startCli('job', 'stat', '-v', loadId)
    const line = await child.line((one) => (one.includes('the store asks to slow down') ? one : undefined), 60_000)
    await child.end('SIGKILL')
    expect([line, stderr()]).toEqual([expect.stringMatching(/^ {4}\S+ \S+ \d+ -> \d+ reads at once: the store/), ''])
  })

  it('tells the same in the log and in its metrics', async () => {
    expect(skein.log()).toMatch(/tuning: \d+ -> \d+ reads at once: the store asks to slow down in \d+ % of its answers/)
    const response = await fetch(`http://${skein.addresses()['web'] ?? ''}/metrics`)
    const text = await response.text()
    expect(text).toMatch(/skein_job_worker_tuning_decisions_total\{change="decrease",reason="slow_down"\} [1-9]/)
    // What is set is never exceeded.
    expect(Number(/skein_job_worker_reads_limit (\d+)/.exec(text)?.[1])).toBeLessThanOrEqual(12)
  })
})
