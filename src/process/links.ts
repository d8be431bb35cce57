// Why: roles other than the master find all other roles through the master. How: creates these
// connections and closes them when the role stops.
import { connectJobMaster, connectMaster, type Connect } from '../client/master-client.ts'
import { createClient } from '../wire/rpc/channel.ts'
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import type { RoleContext } from './role-shell.ts'

/** Creates connections that are closed when the role stops. */
export function connector(context: RoleContext): Connect {
  const { clock, random, logger, config, channels } = context
  return (definition, address) =>
    createClient(definition, address, {
      ...{ deadlineMs: config.rpcDeadlineMs, clock, random, logger },
      channel: channels.get(address),
    })
}

export function linkToMaster(context: RoleContext): Service<MasterServiceDefinition> {
  const connection = connectMaster(context.config.master.address, connector(context))
  context.onStop('link to the master', () => connection.close())
  return connection.service
}

export function linkToLifecycle(context: RoleContext): Service<LifecycleServiceDefinition> {
  const connection = connector(context)(LifecycleServiceDefinition, context.config.master.address)
  context.onStop('link to the files of the master', () => connection.close())
  return connection.service
}

export function linkToJobMaster(
  context: RoleContext,
  master: Service<MasterServiceDefinition>,
): Service<JobServiceDefinition> {
  const connection = connectJobMaster(master, context.config.master.address, connector(context))
  context.onStop('link to the job master', () => connection.close())
  return connection.service
}
