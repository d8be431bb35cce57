// Why: whoever serves a service finds its limits by its name, so that none is served without them.
import type { Service, ServiceDefinition } from '../service.ts'
import { JobServiceDefinition } from '../generated/job.ts'
import { LifecycleServiceDefinition, PersistServiceDefinition } from '../generated/lifecycle.ts'
import { MasterServiceDefinition } from '../generated/master.ts'
import { ScheduleServiceDefinition } from '../generated/schedule.ts'
import { WorkerServiceDefinition } from '../generated/worker.ts'
import { jobLimits, scheduleLimits } from './job-limits.ts'
import { lifecycleLimits, persistLimits } from './lifecycle-limits.ts'
import { masterLimits } from './master-limits.ts'
import { limitedBy, type ServiceLimits } from './service-limits.ts'
import { workerLimits } from './worker-limits.ts'

const limitsByName: Readonly<Record<string, ServiceLimits>> = {
  [MasterServiceDefinition.fullName]: masterLimits,
  [LifecycleServiceDefinition.fullName]: lifecycleLimits,
  [PersistServiceDefinition.fullName]: persistLimits,
  [WorkerServiceDefinition.fullName]: workerLimits,
  [JobServiceDefinition.fullName]: jobLimits,
  [ScheduleServiceDefinition.fullName]: scheduleLimits,
}

/** The limits of a service; none for one that is not of this house (tests). */
export function limitsOf({ fullName }: Pick<ServiceDefinition, 'fullName'>): ServiceLimits {
  return limitsByName[fullName] ?? {}
}

/** The service behind its limits, as every role gives it out. */
export function limited<D extends ServiceDefinition>(definition: D, service: Service<D>): Service<D> {
  return limitedBy(definition, limitsOf(definition), service)
}
