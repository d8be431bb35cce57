// Why: starts, `tune check` and `tune recommend` use the same rules, so each must find its own
// violation, and what it calls better must end with no rule broken.
import * as fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tuningValuesOf } from '../../../src/config/configured-tuning.ts'
import type { Config, ConfigMode } from '../../../src/config/config.ts'
import { loadConfig } from '../../../src/config/read-config.ts'
import { tuningRules } from '../../../src/config/tuning-rules.ts'
import { sizeText, tuningKeys, valueTexts } from '../../../src/config/tuning-values.ts'
import { definitionOf } from '../../../src/config/keys/schema.ts'

const gigabyte = 1024 ** 3
const config = (definitions: Record<string, string>, memoryBytes?: number, mode: ConfigMode = 'check'): Config =>
  loadConfig({
    mode,
    definitions,
    environment: {},
    machine: {
      homeDirectory: '/nowhere',
      hostname: 'box',
      cpus: 4,
      cwd: '/',
      ...(memoryBytes !== undefined && { memoryBytes }),
    },
  })

/** Settings that break exactly one rule each. */
const planted: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'range-in-block': { 'fs.cosn.read.ahead.block.size': '16MB', 'fs.cosn.block.size': '8MB' },
  'queue-in-block': { 'fs.cosn.read.ahead.queue.size': '20', 'fs.cosn.block.size': '64MB' },
  'queue-long-enough': { 'fs.cosn.read.ahead.queue.size': '2' },
  'range-in-budget': { 'skein.job.worker.read.budget': '2MB' },
  'stream-in-budget': { 'fs.cosn.read.ahead.block.size': '32MB', 'fs.cosn.block.size': '1GB' },
  'budget-in-memory': { 'skein.job.worker.read.budget': '64GB' },
  'reads-in-memory': { 'goosefs.worker.network.block.reader.threads.max': '2000' },
  'tasks-above-reads': { 'goosefs.job.worker.max.active.task.num': '20', 'fs.cosn.upload_thread_pool': '40' },
  'threads-in-tasks': { 'goosefs.job.worker.threadpool.size': '100', 'goosefs.job.worker.max.active.task.num': '50' },
  'streams-for-tasks': { 'goosefs.user.block.worker.client.pool.max': '40' },
  'jobs-above-tasks': { 'skein.load.active.jobs': '20' },
  'connections-for-reads': { 'fs.cosn.max.connection.num': '8' },
}

describe('tuning rules', () => {
  it('find each planted violation, and no other rule in it', () => {
    expect(Object.keys(planted).toSorted()).toEqual(tuningRules.map(({ id }) => id).toSorted())
    for (const [id, definitions] of Object.entries(planted)) {
      const { brokenRules } = config(definitions, 8 * gigabyte)
      expect(brokenRules.map(({ rule }) => rule.id)).toEqual([id])
    }
  })

  it('are kept by the defaults, on any machine', () => {
    for (const memoryBytes of [undefined, 64 * 1024 ** 2, 8 * gigabyte, 1024 * gigabyte])
      expect(config({}, memoryBytes).brokenRules).toEqual([])
  })

  it('name keys that exist, and the key to change is one of them', () => {
    for (const { keys, judgedWith = [] } of tuningRules) {
      for (const key of keys) expect(definitionOf(key), key).toBeDefined()
      expect(keys).toEqual(expect.arrayContaining([...judgedWith]))
    }
  })

  it('two of them refuse a start, and are only reported by a check', () => {
    const start = (id: string): Config => config({ ...planted[id] }, undefined, 'role')
    expect(() => start('threads-in-tasks')).toThrow(/^-D: goosefs\..*threadpool\.size: 100 is above .*, which is 50$/)
    expect(() => start('range-in-budget')).toThrow(/^-D: skein\..*budget: 2MB is below .*block\.size, 4MB$/)
    const better = (id: string) => config({ ...planted[id] }).brokenRules.map(({ key, better: value }) => [key, value])
    expect(better('threads-in-tasks')).toEqual([[tuningKeys.threads, '50']])
    expect(better('range-in-budget')).toEqual([[tuningKeys.budget, '8MB']])
  })

  it('warn at a start of the same that a check reports', () => {
    for (const [id, definitions] of Object.entries(planted)) {
      if (id === 'threads-in-tasks' || id === 'range-in-budget') continue
      const [broken] = config(definitions, 8 * gigabyte).brokenRules
      expect(config(definitions, 8 * gigabyte, 'role').warnings).toEqual([
        `tuning: ${broken?.key}: ${broken?.problem}: ${broken?.better} is better`,
      ])
    }
  })

  it('better values end with no broken rule', () => {
    const sizes = fc.integer({ min: 12, max: 30 }).map((power) => `${2 ** power}`)
    const counts = fc.integer({ min: 1, max: 2000 }).map(String)
    const settings = fc.record(
      {
        [tuningKeys.block]: fc.integer({ min: 16, max: 34 }).map((power) => `${2 ** power}`),
        [tuningKeys.range]: sizes,
        [tuningKeys.queue]: fc.integer({ min: 1, max: 1024 }).map(String),
        [tuningKeys.reads]: counts,
        [tuningKeys.connections]: counts,
        [tuningKeys.tasks]: counts,
        [tuningKeys.threads]: counts,
        [tuningKeys.streams]: counts,
        [tuningKeys.budget]: fc.integer({ min: 20, max: 40 }).map((power) => `${2 ** power}`),
        [tuningKeys.buffer]: sizes,
        [tuningKeys.readers]: counts,
        [tuningKeys.jobs]: counts,
      },
      { requiredKeys: [] },
    )
    const memory = fc.option(fc.integer({ min: 32, max: 1_000_000 }).map((megabytes) => megabytes * 1024 ** 2))
    fc.assert(
      fc.property(settings, memory, (given, memoryBytes) => {
        const definitions: Record<string, string> = { ...given }
        const broken = () => config(definitions, memoryBytes ?? undefined).brokenRules
        let left = broken()
        for (let round = 0; round < 30 && left.length > 0; round += 1) {
          const [first] = left
          if (first !== undefined) definitions[first.key] = first.better
          left = broken()
        }
        expect(left).toEqual([])
      }),
      { numRuns: 100 },
    )
  })

  it('are all in docs/tuning.md, word for word', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/tuning.md'), 'utf8')
    for (const { id, says } of tuningRules) expect(page).toContain(`| \`${id}\` | ${says} |`)
  })
})

describe('sizes for a properties file', () => {
  it.each([
    [0, '0'],
    [1, '1'],
    [1536, '1536'],
    [16_384, '16KB'],
    [8 * 1024 ** 2, '8MB'],
    [3 * gigabyte, '3GB'],
  ])('%d bytes are %s', (bytes, text) => expect(sizeText(bytes)).toBe(text))

  it('the values of a configuration read back to the same', () => {
    const values = tuningValuesOf(config({}), undefined)
    expect(tuningValuesOf(config({ ...valueTexts(values) }), undefined)).toEqual(values)
  })
})
