// Why: a mount is a process of its own, near the programs that use it. How: one part in a role
// shell; it ends when it is told to, or when somebody unmounts it.
import type { Config } from '../../config/config.ts'
import type { RoleContext, RoleIo } from '../role-shell.ts'
import { runRole } from '../role-shell.ts'
import { serveWeb } from '../servers.ts'

export interface MountPlace {
  /** An absolute path without links. */
  readonly mountPoint: string
  /** Of the cluster. */
  readonly path: string
}

/** Share of the time to stop in which programs may close their files. */
const patienceShare = 0.5

/**
 * Runs until it is stopped or unmounted.
 * @throws SkeinError when it cannot be mounted
 */
export async function runMount(config: Config, io: RoleIo, place: MountPlace): Promise<void> {
  const unmounted = new AbortController()
  const stop = AbortSignal.any([io.stop, unmounted.signal])
  await runRole('fuse', config, { ...io, stop }, async (context) => {
    const web = await webPort(context, config)
    const { connectCluster } = await import('../../client/connect.ts')
    const { startFuseMount } = await import('../../fuse/fuse-mount.ts')
    const { files, ahead } = connectCluster(config, { logger: context.logger, metrics: context.metrics })
    context.onStop('file system', () => files.close())
    const { clock, logger, metrics } = context
    const mount = await startFuseMount({ files, ahead, options: { ...config.fuse, ...place }, clock, logger, metrics })
    context.onStop('mount', () => mount.close(config.shutdownTimeoutMs * patienceShare))
    void mount.ended.then(() => unmounted.abort())
    return { mountPoint: place.mountPoint, path: place.path, pid: process.pid, ...(web !== undefined && { web }) }
  })
}

function webPort(context: RoleContext, config: Config): Promise<string | undefined> {
  const { webPort: port } = config.fuse
  if (port < 0) return Promise.resolve(undefined)
  const loopback = '127.0.0.1'
  return serveWeb(context, { bindHost: loopback, reachHost: loopback, rpcPort: 0, webPort: port }, () => ({
    ready: true,
  }))
}
