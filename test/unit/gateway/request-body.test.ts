// The memory of a body is freed while it is read, and its bytes are there until then.
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { requestBody } from '../../../src/gateway/request-body.ts'
import { IdleWatch } from '../../../src/wire/http/idle-watch.ts'

it('a chunk is there until the next one is asked for', async () => {
  const watch = new IdleWatch(systemClock, 10_000, () => undefined)
  const seen = Promise.withResolvers<{ total: number; freed: number; chunks: number }>()
  const server = createServer((request, response) => {
    const read = async (): Promise<void> => {
      let total = 0
      let freed = 0
      let last: Uint8Array | undefined
      let chunks = 0
      const cut = (message: string): SkeinError => new SkeinError('unavailable', message)
      for await (const chunk of requestBody(request, watch, () => undefined, cut)) {
        if (last?.length === 0) freed += 1
        last = chunk
        chunks += 1
        total += chunk.reduce((sum, byte) => sum + byte, 0)
      }
      response.end()
      seen.resolve({ total, freed, chunks })
    }
    read().catch(seen.reject)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const body = Buffer.alloc(3_000_000, 1)
  httpRequest({ host: '127.0.0.1', port, method: 'PUT' }, (response) => response.resume()).end(body)
  const { total, freed, chunks } = await seen.promise
  expect(total).toBe(body.length)
  expect(freed).toBeGreaterThan(chunks / 2)
  watch.stop()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
