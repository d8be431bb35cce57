// Why: what the doors are configured with. Pure.
import { isLoopback } from '../base/loopback.ts'
import type { Config, Listen } from './config.ts'
import type { Values } from './values.ts'

/** Closes a door. */
const shut = -1

export function gatewayOf(values: Values, machineHostname: string, cwd: (path: string) => string): Config['gateway'] {
  const bindHost = values.word('skein.gateway.bind.host')
  const credentialsFile = values.text('skein.gateway.credentials.file')
  const isLocal = isLoopback(bindHost)
  if (!isLocal && credentialsFile === undefined)
    throw values.error(
      'skein.gateway.bind.host',
      `'${bindHost}' is reachable from other machines without credentials; set skein.gateway.credentials.file`,
    )
  const webHdfsGiven = values.given('skein.gateway.webhdfs.port')
  const webHdfsPort = values.amount('skein.gateway.webhdfs.port')
  if (!isLocal && webHdfsGiven && webHdfsPort !== shut)
    throw values.error(
      'skein.gateway.webhdfs.port',
      `'${webHdfsPort}' would be reachable from other machines on ${bindHost}, and clients of WebHDFS are not ` +
        'authenticated; set -1, or skein.gateway.bind.host=127.0.0.1',
    )
  const port = values.amount('skein.gateway.s3.port')
  // Health and metrics ask for no credentials: they leave the machine only where that is allowed.
  const isOpen = isLocal || values.flag('skein.security.allowInsecureBind')
  const web: Listen = {
    bindHost: isOpen ? bindHost : '127.0.0.1',
    reachHost: isLocal || !isOpen ? '127.0.0.1' : machineHostname,
    rpcPort: 0,
    webPort: values.amount('skein.gateway.web.port'),
  }
  return {
    web,
    readBuffersBytes: values.amount('skein.gateway.read.buffers'),
    credentialsFile: credentialsFile === undefined ? undefined : cwd(credentialsFile),
    s3:
      port === shut
        ? undefined
        : {
            bindHost,
            reachHost: isLocal ? bindHost : machineHostname,
            port,
            domains: values.words('skein.gateway.s3.domain') ?? [],
            region: values.word('skein.gateway.s3.region'),
            uploadExpiryMs: values.amount('skein.gateway.s3.upload.expiry'),
            requestsMax: values.amount('skein.gateway.s3.requests.max'),
            connectionsMax: values.amount('skein.gateway.s3.connections.max'),
            digestThreads: values.amount('skein.gateway.s3.digest.threads'),
            idleMs: values.amount('skein.gateway.s3.idle.timeout'),
          },
    webHdfs:
      webHdfsPort === shut || !isLocal
        ? undefined
        : {
            bindHost,
            port: webHdfsPort,
            requestsMax: values.amount('skein.gateway.webhdfs.requests.max'),
            connectionsMax: values.amount('skein.gateway.webhdfs.connections.max'),
            idleMs: values.amount('skein.gateway.webhdfs.idle.timeout'),
          },
  }
}
