// Why: no method of any service is without limits, and a request beyond them is refused before it
// is read, by one line. How: the tables against the generated definitions, and requests that held
// up or broke a role before.
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock, systemRandom } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { createClient } from '../../../src/wire/rpc/channel.ts'
import * as Job from '../../../src/wire/generated/job.ts'
import * as Lifecycle from '../../../src/wire/generated/lifecycle.ts'
import * as Master from '../../../src/wire/generated/master.ts'
import * as Schedules from '../../../src/wire/generated/schedule.ts'
import * as Worker from '../../../src/wire/generated/worker.ts'
import { limited, limitsOf } from '../../../src/wire/limits/all-limits.ts'
import { startServer, serving, type RunningServer } from '../../../src/wire/rpc/server.ts'
import type { Service, ServiceDefinition } from '../../../src/wire/service.ts'

const definitions = [Job, Lifecycle, Master, Schedules, Worker].flatMap((file) =>
  Object.entries(file).flatMap(([name, value]) =>
    name.endsWith('ServiceDefinition') ? [value as unknown as ServiceDefinition] : [],
  ),
)
const call = { signal: new AbortController().signal }

test('every method of every service has its limits', () => {
  expect(definitions.length).toBeGreaterThanOrEqual(6)
  for (const definition of definitions) {
    const limits = limitsOf(definition)
    expect(Object.keys(limits).toSorted(), definition.fullName).toEqual(Object.keys(definition.methods).toSorted())
    for (const { bytesMax } of Object.values(limits)) expect(bytesMax).toBeLessThanOrEqual(64 * 1024 ** 2)
  }
})

describe('a request beyond the limits', () => {
  let server: RunningServer | undefined
  afterEach(async () => {
    await server?.close(0)
    server = undefined
  })

  test('is refused by name of its field, before the role sees it', async () => {
    const seen: unknown[] = []
    const bare = { reportBlocks: async (request: unknown) => seen.push(request) } as unknown as Service<
      typeof Master.MasterServiceDefinition
    >
    const { reportBlocks } = limited(Master.MasterServiceDefinition, bare)
    const report = { workerId: 'w', session: 's', added: [], removed: [], fullReportEnd: false, directories: [] }
    const ids = Array.from({ length: 60_000 }, (_, index) => index)
    await expect(reportBlocks({ ...report, added: ids }, call)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: 'the request of ReportBlocks is refused: added has 60000 entries, 50000 at most',
    })
    await expect(reportBlocks({ ...report, removed: [1, -1] }, call)).rejects.toThrow(/removed\[1\] is not between/)
    await expect(reportBlocks({ ...report, workerId: 'w\0' }, call)).rejects.toThrow(/workerId has a NUL/)
    expect(seen).toEqual([])
    await reportBlocks({ ...report, added: ids.slice(0, 10_000) }, call)
    expect(seen).toHaveLength(1)
  })

  test('is not even read by a server when it has too many bytes', async () => {
    const service = { auditFiles: async () => ({ files: [] }) } as unknown as Service<
      typeof Master.MasterServiceDefinition
    >
    const services = [serving(Master.MasterServiceDefinition, service)]
    server = await startServer({ host: '127.0.0.1', port: 0, services, logger: silentLogger, clock: systemClock })
    const client = createClient(Master.MasterServiceDefinition, server.address, {
      clock: systemClock,
      random: systemRandom,
    })
    try {
      const fileIds = Array.from({ length: 300_000 }, (_, index) => 2 ** 50 + index)
      await expect(client.service.auditFiles({ fileIds, replication: 1 }, call)).rejects.toThrow(
        /AuditFiles has \d+ bytes, 1048576 at most/,
      )
      await client.service.auditFiles({ fileIds: fileIds.slice(0, 1000), replication: 1 }, call)
    } finally {
      client.close()
    }
  })
})
