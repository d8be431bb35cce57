import { describe, expect, it } from 'vitest'
import { apply } from '../../../src/load/state/apply-load.ts'
import { indexToDrop, isWhole } from '../../../src/load/state/apply-lists.ts'
import type { LoadCommand, LoadEffect } from '../../../src/load/state/load-commands.ts'
import { memoryTables } from './support/memory-tables.ts'

const options = { replication: 1, activeJobs: 10, batchSize: 10 }
const hour = 3_600_000

function begin() {
  const tables = memoryTables()
  const stage = (part: number, path: string, nowMs = 1): LoadEffect =>
    apply(tables, { type: 'IndexPartStaged', nowMs, indexId: 'i', namespace: 'ns', part, items: [{ path }] })
  const submit = (indexId?: string, resumedFrom?: string): LoadEffect => {
    const command: LoadCommand = {
      ...{ type: 'SubmitLoad', nowMs: 1, requestKey: '', path: '/ns' },
      options: { ...options, ...(resumedFrom !== undefined && { resumedFrom }) },
      ...(indexId !== undefined && { indexId }),
    }
    return apply(tables, command)
  }
  const drop = (): LoadEffect => apply(tables, { type: 'IndexDropped', nowMs: 1, indexId: 'i', rowsMax: 64 })
  return { tables, stage, submit, drop }
}

describe('staged lists', () => {
  it('a part counts once, and nothing changes once a load has the list', () => {
    const { tables, stage, submit } = begin()
    expect(stage(0, '/ns/a').type).toBe('applied')
    expect(stage(0, '/ns/other').type).toBe('ignored')
    expect(stage(1, '/ns/b').type).toBe('applied')
    submit('i')
    expect(stage(2, '/ns/c').type).toBe('ignored')
    expect(tables.indexes.get(['i'])).toMatchObject({ parts: 2, items: 2, loads: 1, exact: false, namespace: 'ns' })
    expect(tables.indexParts.get(['i', 0])).toEqual([{ path: '/ns/a' }])
  })
  it('a list that nobody loads is forgotten after its time; a load keeps its list until it is forgotten itself', () => {
    const { tables, stage, submit, drop } = begin()
    stage(0, '/ns/a')
    expect(indexToDrop(tables, hour, hour)).toBeUndefined()
    expect(indexToDrop(tables, hour + 1, hour)).toBe('i')
    submit('i')
    expect(indexToDrop(tables, 9 * hour, hour)).toBeUndefined()
    expect(drop().type).toBe('ignored')
    const ended = {
      type: 'StateChanged',
      nowMs: 5,
      loadId: 1,
      mode: 'CANCELLED',
      reason: '',
      errorCode: '',
      missingCapacityBytes: 0,
    } as const
    apply(tables, ended)
    for (let round = 0; round < 3; round += 1) apply(tables, { type: 'LoadExpired', nowMs: 7, loadId: 1, rowsMax: 64 })
    expect(tables.loads.get([1])).toBeUndefined()
    expect(indexToDrop(tables, hour + 7, hour)).toBe('i')
    drop()
    expect([tables.indexes.get(['i']), tables.indexParts.get(['i', 0]), indexToDrop(tables, 9 * hour, hour)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
  it('a list that is being forgotten, or is gone, is no list to load, and one of several first names says so', () => {
    const { tables, stage, submit } = begin()
    for (let part = 0; part < 3; part += 1) stage(part, `/ns/${part}`)
    const other = {
      type: 'IndexPartStaged',
      nowMs: 1,
      indexId: 'i',
      namespace: 'other',
      part: 3,
      items: [{ path: '/other/a' }],
    } as const
    expect(tables.indexes.get(['i'])?.namespace).toBe('ns')
    expect(apply(tables, other).type).toBe('applied')
    expect(tables.indexes.get(['i'])?.namespace).toBe('/')
    expect(apply(tables, { type: 'IndexDropped', nowMs: 1, indexId: 'i', rowsMax: 2 }).type).toBe('applied')
    expect(isWhole(tables.indexes.get(['i']))).toBe(false)
    expect(submit('i').type).toBe('ignored')
    for (let times = 0; times < 2; times += 1)
      apply(tables, { type: 'IndexDropped', nowMs: 1, indexId: 'i', rowsMax: 2 })
    expect(submit('i').type).toBe('ignored')
    expect([tables.indexes.get(['i']), tables.loads.get([1])]).toEqual([undefined, undefined])
  })
  it('loads join when they want the same of the same, and not otherwise', () => {
    const { tables, stage, submit } = begin()
    stage(0, '/ns/a')
    expect(submit()).toMatchObject({ loadId: 1, joined: false })
    expect(submit(undefined, 'L9')).toMatchObject({ loadId: 1, joined: true })
    expect(submit('i')).toMatchObject({ loadId: 2, joined: false })
    expect(submit('i')).toMatchObject({ loadId: 2, joined: true })
    const selective = { ...options, selection: { include: ['*.x'], exclude: [] } }
    const command = { type: 'SubmitLoad', nowMs: 1, requestKey: '', path: '/ns', options: selective } as const
    expect(apply(tables, command)).toMatchObject({ loadId: 3, joined: false })
    expect(
      apply(tables, { ...command, options: { selection: { include: ['*.x'], exclude: [] }, ...options } }),
    ).toMatchObject({
      loadId: 3,
      joined: true,
    })
  })
})
