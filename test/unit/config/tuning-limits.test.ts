// How far `skein.tuning=auto` may go.
import { describe, expect, it } from 'vitest'
import type { JobWorkerConfig } from '../../../src/config/config.ts'
import { loadConfig } from '../../../src/config/read-config.ts'

const mib = 1024 ** 2
const jobWorker = (definitions: Record<string, string>, cpus = 2): JobWorkerConfig => {
  const machine = { homeDirectory: '/nowhere', hostname: 'box', cpus, cwd: '/' }
  return loadConfig({ mode: 'check', definitions, environment: {}, machine }).jobWorker
}

describe('skein.tuning', () => {
  it('is on, and does not change what it may not', () => {
    expect(jobWorker({}).tuning).toEqual({
      ...{ readsMax: 64, smallReadsMax: 512, rangeBytesMax: 16 * mib, tasksMax: 128, streamsMax: 64 },
    })
    expect(jobWorker({}, 32).tuning).toMatchObject({ readsMax: 384, tasksMax: 768, smallReadsMax: 1024 })
    expect(jobWorker({ 'skein.tuning': 'off' }).tuning).toBeUndefined()
    expect(() => jobWorker({ 'skein.tuning': 'on' })).toThrow(/skein\.tuning/)
  })

  it('takes what is set as the most', () => {
    const set = {
      'fs.cosn.upload_thread_pool': '10',
      'fs.cosn.read.ahead.block.size': '1MB',
      'goosefs.job.worker.max.active.task.num': '12',
      'goosefs.job.worker.threadpool.size': '7',
    }
    const limits = { readsMax: 10, smallReadsMax: 80, rangeBytesMax: mib, tasksMax: 12, streamsMax: 7 }
    expect(jobWorker(set).tuning).toEqual(limits)
    // A profile is a setting, too.
    expect(jobWorker({ 'skein.profile': 'high-latency' }).tuning).toMatchObject({ readsMax: 32, tasksMax: 36 })
  })

  it('keeps to the connections and to the read budget', () => {
    expect(jobWorker({ 'fs.cosn.max.connection.num': '20' }).tuning).toMatchObject({ readsMax: 20, smallReadsMax: 48 })
    expect(jobWorker({ 'skein.job.worker.read.budget': '64MB' }).tuning).toMatchObject({ rangeBytesMax: 8 * mib })
    expect(jobWorker({ 'skein.job.worker.read.budget': '8MB' }).tuning).toMatchObject({ rangeBytesMax: 4 * mib })
  })
})
