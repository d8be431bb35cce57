// Why: once a change of a namespace was answered, nobody may go by what it was before. How: the
// master's book of holders and a role's own over two fake stores; what is under way at the old one
// is ended, and made again at the new one.
import { expect, it } from 'vitest'
import { seededRandom, systemClock } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { DefinitionHolders } from '../../../../src/cache-master/workers/definition-holders.ts'
import { NamespaceDefinitions } from '../../../../src/client/origin/namespace-definitions.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import type { UnderFileSystem } from '../../../../src/ufs/under-file-system.ts'
import { MemoryTables } from '../../meta/support/memory-tables.ts'

const { signal } = new AbortController()
const record = { id: 'n', name: 'ns', uri: 's3://b/', attributes: {}, sealedSecrets: {}, createdMs: 1, rootId: 1 }

/** A store that gives a byte a turn, until it is told to stop, and says who asked. */
function storeOf(version: number, asked: string[], gate?: Promise<void>): UnderFileSystem {
  const note = (what: string, aborted: AbortSignal): void => {
    if (aborted.aborted) throw aborted.reason
    asked.push(`${what}@${version}`)
  }
  return {
    stat: async (key: string, aborted: AbortSignal) => {
      note(`stat ${key}`, aborted)
      await Promise.race([
        gate,
        new Promise((_, reject) => aborted.addEventListener('abort', () => reject(aborted.reason))),
      ])
      return { key, length: version, etag: 'e', modifiedMs: 0, storageClass: 'STANDARD' }
    },
    read: async function* read({ offset, length }: { offset: number; length: number }, aborted: AbortSignal) {
      for (let at = offset; at < offset + length; at += 1) {
        note(`byte ${at}`, aborted)
        yield Buffer.from([at])
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    write: async (
      key: string,
      _length: number,
      chunks: AsyncIterable<Uint8Array>,
      _options: unknown,
      aborted: AbortSignal,
    ) => {
      for await (const _chunk of chunks) note(`write ${key}`, aborted)
      return { key, length: version, etag: 'e', modifiedMs: 0, storageClass: 'STANDARD' }
    },
    counters: { readBytes: 0, readRequests: 0 },
    close: async () => undefined,
  } as unknown as UnderFileSystem
}

function house(options: { leaseMs?: number; gateOfFirst?: Promise<void>; beforeAnswer?: () => Promise<void> } = {}) {
  const tables = new MemoryTables()
  const asked: string[] = []
  const holders = new DefinitionHolders(tables, systemClock, options.leaseMs ?? 3000)
  tables.putNamespace({ ...record, version: 1 })
  let isDown = false
  const definitions = new NamespaceDefinitions({
    ...{ holderId: 'h', clock: systemClock, random: seededRandom(1), logger: silentLogger },
    master: {
      getNamespaceAccess: async ({ namespaceId, holderId = '' }) => {
        if (isDown) throw new SkeinError('unavailable', 'down')
        const [now] = [...tables.namespaces()]
        if (now === undefined) throw new SkeinError('not_found', 'gone')
        const leaseMs = holders.grant(namespaceId, holderId, now.version)
        const answer = {
          namespaceId,
          name: 'ns',
          uri: 's3://b/',
          attributes: {},
          secrets: {},
          version: now.version,
          leaseMs,
        }
        await options.beforeAnswer?.()
        return answer
      },
      holdNamespaces: async (request) => {
        if (isDown) throw new SkeinError('unavailable', 'down')
        return holders.hold(request)
      },
    },
    open: async ({ version }) => storeOf(version, asked, version === 1 ? options.gateOfFirst : undefined),
  })
  const update = async (version: number): Promise<void> => {
    tables.putNamespace({ ...record, version })
    await holders.untilAllHave('n', version, signal)
  }
  return { tables, holders, definitions, asked, update, setDown: (down: boolean) => (isDown = down) }
}

it('a call in flight at the old store is made again at the new one before the change is answered', async () => {
  const { definitions, asked, update } = house({ gateOfFirst: new Promise(() => undefined) })
  const store = await definitions.openStore('n')
  const stat = store.stat('f', signal)
  await new Promise((resolve) => setImmediate(resolve))
  await update(2)
  const then = asked.length
  expect(await stat).toMatchObject({ length: 2 })
  await store.stat('g', signal)
  expect(asked.slice(then).every((one) => one.endsWith('@2'))).toBe(true)
  expect(asked).toEqual(['stat f@1', 'stat f@2', 'stat g@2'])
  await definitions.close()
})

it('a read goes on at the new store behind the bytes that it gave out', async () => {
  const { definitions, asked, update } = house()
  const store = await definitions.openStore('n')
  const got: number[] = []
  let updated: Promise<void> | undefined
  for await (const chunk of store.read({ key: 'f', etag: 'e', offset: 0, length: 100_000_000 }, signal)) {
    got.push(...chunk)
    if (got.length === 3) updated = update(2)
    if (got.length > 3 && asked.at(-1)?.endsWith('@2') === true) break
  }
  await updated
  expect(got.slice(-1)[0]).toBe((got.length - 1) % 256)
  const firstOfNew = asked.findIndex((one) => one.endsWith('@2'))
  expect(asked[firstOfNew]).toBe(`byte ${firstOfNew}@2`)
  await definitions.close()
})

it('a write that was cut off says so, and nothing is written by the old definition afterwards', async () => {
  const { definitions, asked, update } = house()
  const store = await definitions.openStore('n')
  let isOpen = true
  const chunks = (async function* many() {
    while (isOpen) {
      yield Buffer.alloc(1)
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const written = store.write('f', 1, chunks, { overwrite: false }, signal).catch((error: unknown) => error)
  await update(2)
  const then = asked.length
  expect(await written).toMatchObject({ code: 'aborted', reason: 'definition_changed', retryable: true })
  isOpen = false
  expect(asked.slice(then)).toEqual([])
  await definitions.close()
})

it('a change waits for a definition that was given out and has not arrived', async () => {
  let arrive = (): void => undefined
  const arrived = new Promise<void>((resolve) => (arrive = resolve))
  const { definitions, asked, update } = house({ beforeAnswer: () => arrived })
  const opening = definitions.openStore('n')
  await new Promise((resolve) => setImmediate(resolve))
  let isAnswered = false
  const updated = update(2).then(() => (isAnswered = true))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(isAnswered).toBe(false)
  arrive()
  const store = await opening
  await updated
  await store.stat('f', signal)
  expect(asked).toEqual(['stat f@2'])
  await definitions.close()
})

it('who cannot reach the master stops using what it held, and a change waits for no longer', async () => {
  const { definitions, asked, update, setDown } = house({ leaseMs: 3000 })
  const store = await definitions.openStore('n')
  await store.stat('f', signal)
  setDown(true)
  await update(2)
  const late = store.stat('g', signal)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(asked).toEqual(['stat f@1'])
  setDown(false)
  expect(await late).toMatchObject({ length: 2 })
  await definitions.close()
})

it('what must be asked by a newer definition is, and a namespace that is gone is asked by none', async () => {
  const { tables, definitions, asked } = house()
  const store = await definitions.openStore('n')
  tables.putNamespace({ ...record, version: 2 })
  definitions.require('n', 2)
  await store.stat('f', signal)
  expect(asked).toEqual(['stat f@2'])
  tables.removeNamespace('n')
  definitions.require('n', 3)
  await expect(store.stat('f', signal)).rejects.toMatchObject({ code: 'not_found' })
  await definitions.close()
})

it('a master that has just started waits for what others may still hold', async () => {
  const tables = new MemoryTables()
  tables.putNamespace({ ...record, version: 1 })
  const holders = new DefinitionHolders(tables, systemClock, 300)
  const before = performance.now()
  await holders.untilAllHave('n', 2, signal)
  expect(performance.now() - before).toBeGreaterThan(200)
})
