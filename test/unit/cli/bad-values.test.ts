// Why: a value that cannot be read must not become another one on its way (none, zero, not a
// number), nor be found out by a role far away. How: every option and argument of a number, size,
// time, rate or choice, with each of the values that it cannot have, against a cluster that answers
// nothing; a new option of a command has to be put into one of the tables here.
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { addGroups } from '../../../src/cli/groups.ts'
import type { CommandContext } from '../../../src/cli/frame/context.ts'
import { run } from './support/harness.ts'

const notCounts = ['foo', '', ' ', '-1', '1.5', '0x10', '1e3', 'NaN', '99999999999999999999']
const notDurations = ['foo', '', '10 parsecs', '1h30m', 'm', '-', '9'.repeat(30)]
const notLonger = [...notDurations, '0', '-5s']
const notSizes = ['foo', '', '12XB', '-1', '1,5GB', 'GB', '9'.repeat(30)]
const notTimes = [
  'foo',
  '',
  'yesterday',
  '2026-02-31',
  '2026-13-01',
  '2026-1-1',
  '2026-01-01T25:00',
  '7',
  '12:00',
  '9'.repeat(30),
]
const notRates = [
  'foo',
  '',
  'MB/s',
  '-1',
  '0',
  '08:00-20:00=5MB/s',
  '25:00-26:00=1MB/s,else=1MB/s',
  '08:00-20:00=x,else=unlimited',
]
const notLimits = ['foo', '', '%', '-1', '1.5', '101%', '1 2']
const notActions = ['foo', '', 'freee']
const notIds = ['foo', '', ' ', 'L', 'L0', '-1', 'L1.5', 'LL1', 'L1,L2', '../etc', '9'.repeat(30)]

const distributedLoad: readonly [option: string, values: readonly string[], more?: readonly string[]][] = [
  ['--replication', [...notCounts, '0', '1001']],
  ['--active-jobs', [...notCounts, '0', '1000001']],
  ['--batch-size', [...notCounts, '0', '10001']],
  ['--priority', [...notCounts, '0', '101']],
  ['--expire-time', notLonger, ['-A']],
  ['--size-min', notSizes],
  ['--size-max', notSizes],
  ['--modified-after', notTimes],
  ['--modified-before', notTimes],
  ['--bandwidth', notRates],
  ['--max-failures', notLimits],
  ['--hosts', ['', ' ', ',', ' , ']],
  ['--excluded-hosts', ['', ',']],
  ['--locality', ['', ' ']],
]

/** The words of a command, the option, and what it cannot be. */
const table: readonly (readonly [words: readonly string[], option: string, values: readonly string[]])[] = [
  ...distributedLoad.flatMap(([option, values, more = []]) => [
    [['fs', 'distributedLoad', '/a', ...more], option, values] as const,
    [['schedule', 'create', 'n', '--cron', '0 2 * * *', '--', '/a', ...more], option, values] as const,
  ]),
  [['job', 'ls'], '--limit', [...notCounts, '0', '100001']],
  [['job', 'history'], '--limit', [...notCounts, '0', '100001']],
  [['job', 'history'], '--before', notIds],
  [['schedule', 'history', 'n'], '--limit', [...notCounts, '0', '1001']],
  [['schedule', 'create', 'n'], '--cron', ['', ' ']],
  [['schedule', 'create', 'n'], '--timezone', ['', ' ']],
  [['schedule', 'create', 'n'], '--ready-by', ['', ' ']],
  [['schedule', 'create', 'n'], '--after', ['', ' ']],
  [['schedule', 'create', 'n', '--cron', '0 2 * * *'], '--jitter', [...notDurations, '-5s']],
  [['schedule', 'create', 'n', '--cron', '0 2 * * *'], '--catch-up', ['foo', '', 'latestt']],
  [['schedule', 'update', 'n'], '--cron', ['', ' ']],
  [['schedule', 'update', 'n'], '--timezone', ['', ' ']],
  [['schedule', 'update', 'n'], '--ready-by', ['', ' ']],
  [['schedule', 'update', 'n'], '--after', ['', ' ']],
  [['schedule', 'update', 'n'], '--jitter', [...notDurations, '-5s']],
  [['schedule', 'update', 'n'], '--catch-up', ['foo', '', 'latestt']],
  [['fsadmin', 'adopt', '--recover'], '--into', ['', ' ', 'relative']],
  [['fs', 'rm', '/a'], '--timeout', notLonger],
  [['fs', 'mv', '/a', '/b'], '--timeout', notLonger],
  [['fs', 'persist', '/a'], '--parallelism', [...notCounts, '0', '65']],
  [['fs', 'setReplication', '/a'], '--min', [...notCounts, '1001']],
  [['fs', 'setReplication', '/a'], '--max', [...notCounts.filter((text) => text !== '-1'), '-2', '1001']],
  [['fs', 'setTtl', '/a', '5s'], '--action', notActions],
  [['fs', 'ls', '/a'], '--timestamp', ['foo', '', 'size']],
  [['ns', 'setTtl', 'a', '5s'], '--action', notActions],
  [['ns', 'create', 'a', 's3://b'], '--ttl', notLonger],
  [['ns', 'create', 'a', 's3://b', '--ttl', '5s'], '--ttl-action', notActions],
  [['ns', 'create', 'a', 's3://b'], '--attribute', ['foo', '', '=x']],
  [['ns', 'create', 'a', 's3://b'], '--secret', ['foo', '', '=x']],
  [['ns', 'create', 'a', 's3://b'], '--secret-file', ['foo', '', '=x']],
  [['ns', 'update', 'a'], '--ttl', notLonger],
  [['ns', 'update', 'a'], '--ttl-action', notActions],
  [['ns', 'update', 'a'], '--attribute', ['foo', '', '=x']],
  [['ns', 'update', 'a'], '--secret', ['foo', '', '=x']],
  [['ns', 'update', 'a'], '--secret-file', ['foo', '', '=x']],
  [['ns', 'update', 'a'], '--remove-attribute', ['', ' ']],
  [['fs', 'mount', '/a', 's3://b'], '--option', ['foo', '', '=x']],
  [['fs', 'mount', '/a', 's3://b'], '--secret', ['foo', '', '=x']],
  [['fs', 'mount', '/a', 's3://b'], '--secret-file', ['foo', '', '=x']],
  [['fs', 'distributedLoad', '/a'], '--index', ['']],
  [['fs', 'distributedLoad', '/a'], '--from-manifest', ['']],
  [['fs', 'distributedLoad', '/a'], '--manifest', ['']],
]

/** Text that is matched or looked up, whatever it is. */
const texts = ['--include', '--exclude']

describe('a value that an option cannot have is exit 64, by one line that names the option', () => {
  const cases = table.flatMap(([words, option, values]) =>
    values.map((value) => [words.join(' '), option, value, words] as const),
  )
  it.each(cases)('%s %s %j', async (_text, option, value, words) => {
    const separator = words.indexOf('--')
    const path = words[0] === 'schedule' && words[1] === 'create' && separator < 0 ? ['--', '/a'] : []
    const { code, stdout, stderr } = await run([...words, option, value, ...path])
    expect(stderr).toMatch(/^skein: [^\n]*\S\n$/)
    expect(stderr).toContain(value.length > 25 ? value.slice(0, 10) : option)
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  })

  it.each(notLonger)('fs setTtl /a %j', async (value) => {
    const { code, stdout, stderr } = await run(['fs', 'setTtl', '/a', '--', value])
    expect(stderr).toMatch(/^skein: the TTL[^\n]*\n$/)
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  })
})

it('no option that takes a value is missing above', async () => {
  const known = new Set([...table.map(([words, option]) => `${words.slice(0, 2).join(' ')} ${option}`)])
  const missing: string[] = []
  for (const group of ['fs', 'ns', 'job', 'schedule', 'fsadmin']) {
    const program = new Command()
    await addGroups(program, [group], {} as CommandContext)
    for (const command of program.commands.find((one) => one.name() === group)?.commands ?? [])
      for (const { long, required, optional } of command.options)
        if (
          (required || optional) &&
          long !== undefined &&
          !texts.includes(long) &&
          !known.has(`${group} ${command.name()} ${long}`)
        )
          missing.push(`${group} ${command.name()} ${long}`)
  }
  expect(missing).toEqual([])
})
