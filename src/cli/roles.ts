// Why: a role is a command like any other until it runs. How: its configuration is loaded, its
// composition root imported and run until SIGTERM or SIGINT, which drain; a second one ends the
// process at once.
import { flushCompileCache } from 'node:module'
import type { Config } from '../config/config.ts'
import type { RoleIo } from '../process/role-shell.ts'
import type { CommandContext } from './frame/context.ts'
import { exitCodes, usageError } from './frame/exit-codes.ts'

type Run = (config: Config, io: RoleIo) => Promise<void>

const roots: Readonly<Record<string, () => Promise<{ readonly run: Run }>>> = {
  local: () => import('../process/roles/local-role.ts'),
  master: () => import('../process/roles/master-role.ts'),
  worker: () => import('../process/roles/worker-role.ts'),
  'job-master': () => import('../process/roles/job-master-role.ts'),
  'job-worker': () => import('../process/roles/job-worker-role.ts'),
  gateway: () => import('../process/roles/gateway-role.ts'),
}

/** Runs a role until it is stopped. @throws what the role's start throws */
export async function runRole(role: string, context: CommandContext): Promise<void> {
  const root = roots[role]
  if (root === undefined) throw usageError(`there is no role '${role}'`)
  const config = await context.config(role === 'local' ? 'local' : 'role')
  context.io.boundMemory?.(config.memory)
  const { run } = await root()
  await untilStopped(context, (io) => run(config, io))
}

/** Mounts a directory of the cluster until it is stopped or unmounted. */
export async function runMount(
  context: CommandContext,
  config: Config,
  place: { readonly mountPoint: string; readonly path: string },
): Promise<void> {
  context.io.boundMemory?.(config.memory)
  const root = await import('../process/roles/fuse-role.ts')
  await untilStopped(context, (io) => root.runMount(config, io, place))
}

async function untilStopped(context: CommandContext, run: (io: RoleIo) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  const unlisten = context.io.onStop(() => {
    if (stop.signal.aborted) context.io.exit(exitCodes.failed)
    stop.abort()
  })
  // A role writes one line, when it is ready. By then everything is loaded; Node keeps the compiled
  // code only at an orderly end, which a role that is killed does not have.
  const stdout = (text: string): void => {
    context.io.stdout(text)
    flushCompileCache()
  }
  try {
    await run({ stdout, stderr: context.io.stderr, stop: stop.signal })
  } finally {
    unlisten()
  }
}
