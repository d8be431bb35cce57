// Finding the job master through the master, and following it when it moves.
import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { type Connect, connectJobMaster } from '../../../src/client/master-client.ts'

const options = { signal: new AbortController().signal }

/** Job masters by address; an absent one is down. */
function cluster() {
  const state = { registered: '', up: new Set<string>(), connected: [] as string[], closed: [] as string[], lookups: 0 }
  const connect = ((_definition: unknown, address: string) => {
    state.connected.push(address)
    return {
      service: {
        listLoads: async () => {
          if (!state.up.has(address)) throw new SkeinError('unavailable', `cannot reach ${address}`)
          return { loads: [{ loadId: address }] }
        },
      },
      close: () => state.closed.push(address),
    }
  }) as unknown as Connect
  const master = {
    getJobMaster: async () => {
      state.lookups += 1
      return { rpcAddress: state.registered, webAddress: '' }
    },
  }
  return { state, client: connectJobMaster(master, 'm:9200', connect) }
}

describe('connectJobMaster', () => {
  test('says which master knows no job master', async () => {
    const { client } = cluster()
    await expect(client.service.listLoads({ limit: 1 }, options)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'no job master is registered with the master at m:9200',
    })
  })

  test('asks once, and again only when the job master is away', async () => {
    const { state, client } = cluster()
    state.registered = 'j1'
    state.up.add('j1')
    for (let call = 0; call < 3; call += 1) {
      expect((await client.service.listLoads({ limit: 1 }, options)).loads[0]?.loadId).toBe('j1')
    }
    expect(state.lookups).toBe(1)
    state.up.clear()
    await expect(client.service.listLoads({ limit: 1 }, options)).rejects.toMatchObject({ message: 'cannot reach j1' })
    state.registered = 'j2'
    state.up.add('j2')
    expect((await client.service.listLoads({ limit: 1 }, options)).loads[0]?.loadId).toBe('j2')
    expect(state.connected).toEqual(['j1', 'j2'])
    client.close()
    expect(state.closed).toEqual(['j1', 'j2'])
  })
})
