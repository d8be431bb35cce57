import { describe, expect, it } from 'vitest'
import { documentKeys } from '../../../src/config/keys/document-keys.ts'
import type { KeyTable } from '../../../src/config/keys/key-definition.ts'
import { parseValue } from '../../../src/config/keys/value-syntax.ts'
import { definitionOf, nearestKey, schema, schemaGroups } from '../../../src/config/keys/schema.ts'

const table: KeyTable = schema

describe('schema', () => {
  it('has every group in the one table, and no name twice', () => {
    const names = Object.values(schemaGroups).flatMap((group) => Object.keys(group))
    expect(new Set(names).size).toBe(names.length)
    expect(names.toSorted()).toEqual(Object.keys(schema).toSorted())
  })
  it.each(Object.entries(table))('%s is documented, and its defaults are valid', (name, definition) => {
    expect(definition.doc.length).toBeGreaterThan(8)
    expect(documentKeys()).toContain(`| \`${name}\` |`)
    for (const text of [definition.default, definition.localDefault])
      if (text !== undefined) parseValue(definition, text)
    if (definition.kind === 'choice') expect(definition.values?.length).toBeGreaterThan(1)
    if (definition.default !== undefined) expect(definition.defaultDoc).toBeUndefined()
  })
  it('has every key that the tuning guide names', () => {
    const keys = `
      goosefs.user.block.worker.client.pool.max
      goosefs.job.worker.max.active.task.num
      goosefs.job.worker.threadpool.size
      goosefs.worker.network.reader.buffer.size
      goosefs.worker.network.block.reader.threads.max
      fs.cosn.block.size
      fs.cosn.upload_thread_pool
      fs.cosn.read.ahead.block.size
      fs.cosn.read.ahead.queue.size
      goosefs.worker.tieredstore.levels
      goosefs.worker.tieredstore.level7.dirs.quota
      goosefs.worker.tieredstore.free.ahead.bytes
      goosefs.worker.ramdisk.size
      goosefs.master.ttl.checker.interval
    `
    for (const key of keys.trim().split(/\s+/)) expect(definitionOf(key), key).toBeDefined()
  })
  it('knows tiers by number only', () => {
    expect(definitionOf('goosefs.worker.tieredstore.level0.alias')).toBeDefined()
    expect(definitionOf('goosefs.worker.tieredstore.level{x}.alias')).toBeUndefined()
    expect(definitionOf('goosefs.worker.tieredstore.level0.colour')).toBeUndefined()
    expect(definitionOf('toString')).toBeUndefined()
  })
  it.each([
    ['goosefs.worker.rpc.prt', 'goosefs.worker.rpc.port'],
    ['goosefs.worker.tieredstore.level2.dir.path', 'goosefs.worker.tieredstore.level2.dirs.path'],
    ['skein.queue.uri', 'skein.queue.url'],
    ['FS.COSN.BLOCK.SIZE', 'fs.cosn.block.size'],
  ])('is near to %s', (wrong, right) => {
    expect(nearestKey(wrong)).toBe(right)
  })
})
