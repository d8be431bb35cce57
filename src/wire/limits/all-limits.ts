// Why: servers look up the limits of a service by its name, so no service runs without limits.
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

/** The limits of a service; none for services that are not part of Skein (tests). */
export function limitsOf({ fullName }: Pick<ServiceDefinition, 'fullName'>): ServiceLimits {
  return limitsByName[fullName] ?? {}
}

/** The service with its limits, as every role serves it. */
export function limited<D extends ServiceDefinition>(definition: D, service: Service<D>): Service<D> {
  return limitedBy(definition, limitsOf(definition), service)
}
