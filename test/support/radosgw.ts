// Why: the S3 tests run against a real store: Ceph's RADOS Gateway, one monitor, one OSD in memory,
// one gateway, all on loopback. How: the smallest cluster that Debian's packages make, without
// cephx and without a manager.
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, isInstalled, startChild } from './child.ts'
import { freePort } from './free-port.ts'

export interface Radosgw {
  readonly endpoint: string
  readonly port: number
  readonly accessKey: string
  readonly secretKey: string
  /** Buckets answer at `http://<bucket>.<domain>:<port>` too. */
  readonly domain: string
  stop(): Promise<void>
}

/** Whether a gateway can be started here. In CI a missing one is an error, not a reason to skip. */
export function radosgwInstalled(): boolean {
  const missing = ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph', 'radosgw-admin', 'monmaptool'].filter(
    (command) => !isInstalled(command),
  )
  if (missing.length > 0 && process.env['CI'] === 'true') throw new Error(`needed in CI: ${missing.join(', ')}`)
  return missing.length === 0
}

/** @param options.listedMax entries of a page */
export async function startRadosgw(
  options: { memoryGiB?: number; domain?: string; listedMax?: number } = {},
): Promise<Radosgw> {
  const base = mkdtempSync(join(tmpdir(), 'skein-rgw-'))
  const [port, monitorPort] = [await freePort(), await freePort()]
  const domain = options.domain ?? 'cos.localhost'
  const [accessKey, secretKey] = ['testaccesskey', 'testsecretkey']
  for (const folder of ['mon', 'osd', 'rgw', 'run']) mkdirSync(join(base, folder))
  writeFileSync(join(base, 'keyring'), '')
  const fsid = randomUUID()
  const { memoryGiB = 4, listedMax = 1000 } = options
  writeFileSync(join(base, 'ceph.conf'), configuration({ base, fsid, port, monitorPort, domain, memoryGiB, listedMax }))
  const config = ['-c', join(base, 'ceph.conf')]
  const run = (command: string, ...args: string[]): Buffer =>
    execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
  const children: Child[] = []
  const start = (command: string, ...args: string[]): void => {
    children.push(startChild(command, args, { logFile: join(base, `${command}.out`) }))
  }
  const stop = async (): Promise<void> => {
    for (const child of children.toReversed()) await child.end('SIGKILL')
    rmSync(base, { recursive: true, force: true })
  }
  try {
    run('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', `[v2:127.0.0.1:${monitorPort}]`, join(base, 'monmap'))
    run('ceph-mon', ...config, '-i', 'a', '--mkfs', '--monmap', join(base, 'monmap'))
    start('ceph-mon', ...config, '-i', 'a', '-f')
    run('timeout', '30', 'ceph', ...config, 'osd', 'new', randomUUID())
    const osd = JSON.parse(run('ceph', ...config, 'osd', 'dump', '--format', 'json').toString()) as {
      osds: { uuid: string }[]
    }
    writeFileSync(join(base, 'osd', 'fsid'), `${osd.osds[0]?.uuid ?? ''}\n`)
    run('ceph-osd', ...config, '-i', '0', '--mkfs', '--osd-uuid', osd.osds[0]?.uuid ?? '')
    start('ceph-osd', ...config, '-i', '0', '-f')
    start('radosgw', ...config, '-n', 'client.rgw', '-f')
    await answering(port, join(base, 'client.rgw.log'))
    run(
      'radosgw-admin',
      ...config,
      '-n',
      'client.rgw',
      'user',
      'create',
      '--uid=test',
      '--display-name=test',
      `--access-key=${accessKey}`,
      `--secret-key=${secretKey}`,
    )
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint: `http://127.0.0.1:${port}`, port, accessKey, secretKey, domain, stop }
}

async function answering(port: number, log: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const ok = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`radosgw did not come up: ${existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : 'no log'}`)
}

interface Settings {
  readonly base: string
  readonly fsid: string
  readonly port: number
  readonly monitorPort: number
  readonly domain: string
  readonly memoryGiB: number
  readonly listedMax: number
}

function configuration(o: Settings): string {
  return `[global]
fsid = ${o.fsid}
mon_host = [v2:127.0.0.1:${o.monitorPort}]
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = ${o.base}/run
admin_socket = ${o.base}/run/$name.$pid.asok
log_file = ${o.base}/$name.log
keyring = ${o.base}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 1
mon_data_avail_crit = 0
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[mon.a]
mon_data = ${o.base}/mon
[osd.0]
osd_data = ${o.base}/osd
osd_objectstore = memstore
memstore_device_bytes = ${o.memoryGiB * 1024 ** 3}
osd_memory_target = 2147483648
[client.rgw]
# The gateway's own default is a secure connection to the monitor, which cannot work without cephx.
ms_mon_client_mode = crc
rgw_data = ${o.base}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${o.port} tcp_nodelay=1
rgw_dns_name = ${o.domain}
rgw_relaxed_region_enforcement = true
rgw_thread_pool_size = 128
rgw_s3_auth_use_sts = true
rgw_sts_key = 0123456789abcdef
rgw_max_listing_results = ${o.listedMax}
rgw_enable_usage_log = false
rgw_enable_ops_log = false
`
}
