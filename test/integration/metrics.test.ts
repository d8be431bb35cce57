// Why: Prometheus must be able to read what every role says, and dashboards stand on names that
// follow its rules. How: promtool (Debian: prometheus) checks the metrics after a load and a read:
// of `skein local`, which has all of them, and of each role in a process of its own.
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { isInstalled } from '../support/child.ts'
import { LocalSkein, storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { redisAvailable, startRedis } from '../support/redis.ts'

const promtoolInstalled = isInstalled('promtool')
if (!promtoolInstalled) {
  if (process.env['CI'] === 'true') throw new Error('promtool is needed in CI: install prometheus')
  console.error('promtool is not installed (Debian: prometheus): metrics are not checked')
}

const fileCount = 3
const fileBytes = 2000
let origin: Origin

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin.bucket('data').generateMany('part-', fileCount, fileBytes)
})
afterAll(() => origin?.close())

async function metricsOf(web: string): Promise<string> {
  const answer = await fetch(`http://${web}/metrics`)
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  return answer.text()
}

/** What promtool finds wrong: '' is nothing. */
function faultsOf(text: string): string {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  return `${stdout}${stderr}${status === 0 ? '' : `ended with ${status}`}`
}

const valueOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
  )

describe.skipIf(!promtoolInstalled)('promtool', () => {
  it('finds names that break the rules', () => {
    expect(faultsOf('# HELP x_total X.\n# TYPE x_total counter\nx_total 1\n')).toBe('')
    expect(faultsOf('# HELP x X.\n# TYPE x counter\nx 1\n')).toContain('_total')
    expect(faultsOf('x_total')).toContain('ended with')
  })

  it('accepts the metrics of skein local, which say what was done', async () => {
    const skein = await LocalSkein.start()
    try {
      expect(await skein.createNamespace('n', origin, 'data')).toMatchObject({ code: 0 })
      expect(await skein.cli('fs', 'distributedLoad', '/n')).toMatchObject({ code: 0 })
      expect((await skein.cli('fs', 'cat', '/n/part-0000001')).bytes).toHaveLength(fileBytes)
      const text = await metricsOf(skein.addresses()['web'] ?? '')
      expect(faultsOf(text)).toBe('')
      for (const [series, value] of [
        ['skein_job_load_duration_seconds_count{outcome="completed"}', 1],
        ['skein_job_load_duration_seconds_count{outcome="failed"}', 0],
        ['skein_job_files_total{outcome="loaded"}', fileCount],
        ['skein_job_loaded_bytes_total', fileCount * fileBytes],
        ['skein_job_worker_replicas_total{outcome="ok"}', fileCount],
        ['skein_job_worker_replicas_total{outcome="error"}', 0],
        ['skein_job_queue_up', 1],
        ['skein_worker_blocks', fileCount],
        ['skein_worker_directories{state="normal"}', 1],
        ['skein_master_workers{state="live"}', 1],
        ['skein_master_files', fileCount],
      ] as const)
        expect([series, valueOf(text, series)]).toEqual([series, value])
      for (const series of ['process_open_fds', 'process_max_fds', 'process_cpu_seconds_total'])
        expect([series, valueOf(text, series) > 0]).toEqual([series, true])
      expect(valueOf(text, 'skein_journal_sync_duration_seconds_count')).toBeGreaterThan(0)
      expect(valueOf(text, 'skein_ufs_requests_total{operation="read"}')).toBeGreaterThanOrEqual(fileCount)
    } finally {
      await skein.dispose()
    }
  })

  it.skipIf(!redisAvailable)('accepts the metrics of each role', async () => {
    const redis = await startRedis()
    const cluster = await Cluster.start({ queueUrl: redis.url, workers: 1 })
    try {
      expect(await cluster.cli(['ns', 'create', 'n', 's3://data', ...storeFlags(origin.url)])).toMatchObject({
        code: 0,
      })
      expect(await cluster.cli(['fs', 'distributedLoad', '/n'])).toMatchObject({ code: 0 })
      for (const [role, own, others] of [
        ['master', 'skein_master_files', 'skein_worker'],
        ['worker-1', 'skein_worker_blocks', 'skein_master'],
        ['job-master', 'skein_job_running_loads', 'skein_job_worker'],
        ['job-worker-1', 'skein_job_worker_idle_buffers_bytes', 'skein_journal'],
      ] as const) {
        const text = await metricsOf(cluster.webAddress(role))
        expect([role, faultsOf(text)]).toEqual([role, ''])
        expect(text).toContain(`\n# TYPE ${own} gauge\n`)
        expect(text).not.toContain(others)
      }
    } finally {
      await cluster.stop()
      await redis.dispose()
    }
  })
})
