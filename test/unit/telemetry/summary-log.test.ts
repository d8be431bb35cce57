import { expect, it } from 'vitest'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { SummaryLog } from '../../../src/telemetry/summary-log.ts'

function open(): { lines: Record<string, unknown>[]; due: (() => void)[]; summary: SummaryLog<'blocks' | 'bytes'> } {
  const lines: Record<string, unknown>[] = []
  const due: (() => void)[] = []
  const logger = createLogger(
    'info',
    (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
    () => 0,
  )
  const clock = {
    schedule: (_ms: number, task: () => void) => {
      due.push(task)
      return () => void due.splice(due.indexOf(task), 1)
    },
  }
  return { lines, due, summary: new SummaryLog({ logger, clock, message: 'done' }) }
}

it('tells once an interval what has added up, and nothing while nothing happens', () => {
  const { lines, due, summary } = open()
  summary.add({ blocks: 0 })
  expect(due).toHaveLength(0)
  for (let n = 0; n < 1000; n += 1) summary.add({ blocks: 1, bytes: 10 })
  expect([lines, due.length]).toEqual([[], 1])
  due[0]?.()
  expect(lines).toMatchObject([{ level: 'info', message: 'done', blocks: 1000, bytes: 10_000 }])
  expect(due).toHaveLength(0)
  summary.add({ bytes: 1 })
  due[0]?.()
  expect(lines[1]).toMatchObject({ bytes: 1 })
  expect(lines[1]).not.toHaveProperty('blocks')
})

it('tells the rest at the end, once', () => {
  const { lines, due, summary } = open()
  summary.add({ blocks: 2 })
  summary.flush()
  summary.flush()
  expect([lines.length, due.length]).toEqual([1, 0])
})
