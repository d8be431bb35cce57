// Why: reports and recommendations show what job workers told of themselves, and old job workers
// tell less.
import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { JobWorkerRegistry } from '../../../src/job-master/dispatch/job-worker-registry.ts'
import { FakeClock } from '../cache-master/support/fakes.ts'

it('shows the machine that a job worker reported with its last registration, if any', () => {
  const registry = new JobWorkerRegistry(new FakeClock(), seededRandom(1))
  const request = { jobWorkerId: 'a', hostname: 'h', rpcAddress: '', activeTasksMax: 4 }
  registry.register({ ...request, machine: { cores: 2, memoryBytes: 1024 } })
  registry.register({ ...request, jobWorkerId: 'old' })
  const shown = (): unknown[] => registry.infos().map(({ jobWorkerId, machine }) => [jobWorkerId, machine])
  expect(shown()).toEqual([
    ['a', { cores: 2, memoryBytes: 1024 }],
    ['old', undefined],
  ])
  registry.register({ ...request, machine: { cores: 4, memoryBytes: 4096 } })
  expect(shown()[0]).toEqual(['a', { cores: 4, memoryBytes: 4096 }])
})
