// Why: Alluxio 2.9 is what `distributedLoad` comes from. How: its jars (peers.sh --alluxio),
// with the four roles of a machine as processes of their own, the same store as the root, a
// directory on the same disk as the cache, and its shell; metadata are loaded before, which is
// in its favour. 2.9.3 is the last version with this command. Before each run everything is
// freed. Processor time is that of all processes.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Child, isInstalled, startChild } from '../../../test/support/child.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { until } from '../../../test/support/until.ts'
import type { BenchWay, RunResult } from '../harness/bench-case.ts'
import { bytesOf, measureProgram } from '../harness/bench-tools.ts'
import { type Copy, credentialOf, peersFolder } from '../harness/peers.ts'
import { processorSeconds, sizesOf } from '../process-figures.ts'

const name = 'Alluxio distributedLoad'
const jars = join(peersFolder, 'alluxio')
const shell = 'alluxio.cli.fs.FileSystemShell'
const roles = [
  ...['alluxio.master.AlluxioMaster', 'alluxio.master.AlluxioJobMaster'],
  ...['alluxio.worker.AlluxioWorker', 'alluxio.worker.AlluxioJobWorker'],
] as const
/** For Java 17: what the libraries of that time reach into. */
const opened = ['java.lang', 'java.util', 'java.util.concurrent', 'java.nio', 'sun.nio.ch']
const startMs = 120_000

interface Started {
  readonly children: ReadonlyMap<string, Child>
  /** Words of `java` before the class. */
  readonly java: readonly string[]
  /** Files of the cache. */
  readonly cache: string
}

export function alluxioWay(copy: Copy): BenchWay {
  const missing = existsSync(jars)
    ? isInstalled('java')
      ? undefined
      : 'java is not installed'
    : 'its jars are not installed (scripts/bench/peers.sh --alluxio)'
  return { name, kind: 'peer', missing, run: () => measured(copy) }
}

async function measured({ tools, origin, url, isLarge }: Copy): Promise<RunResult> {
  const { children, java, cache } = await tools.once('alluxio', () => start({ tools, origin, url, isLarge }))
  const command = (...words: string[]): ReturnType<typeof measureProgram> =>
    measureProgram('java', [...java, '-Xmx512m', shell, ...words])
  await command('ls', '-R', '/')
  if (filesBelow(cache) > 0) {
    await command('free', '/')
    await until(
      async () => filesBelow(cache),
      (left) => left === 0,
    )
  }
  const used = (): number => [...children.values()].reduce((sum, { pid }) => sum + processorSeconds(pid), 0)
  const before = used()
  const flags = ['--active-jobs', '1000', '--batch-size', isLarge ? '1' : '200']
  const { stdout, seconds, processorSeconds: own, peakBytes } = await command('distributedLoad', ...flags, '/')
  // A load that has not cached everything is no load: the cache says what is in it.
  const inCache = filesBelow(cache)
  if (inCache < origin.objects.length)
    throw new Error(`${inCache} of ${origin.objects.length} files are cached: ${/Total.*/.exec(stdout)?.[0] ?? ''}`)
  const peaks = [...children].map(([role, { pid }]) => [role.split('.').at(-1) ?? '', sizesOf(pid).peak] as const)
  const sum = { seconds, processorSeconds: own + used() - before }
  return { ...sum, peaks: { ...Object.fromEntries(peaks), shell: peakBytes } }
}

/** Files of whole blocks; those that are being written lie in a folder of their own. */
function filesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.parentPath.includes('.tmp_blocks'),
  ).length
}

async function start({ tools, origin, url }: Copy): Promise<Started> {
  const home = tools.folder('alluxio')
  const [conf, cache] = [join(home, 'conf'), join(home, 'cache')]
  for (const folder of [conf, cache, join(home, 'journal'), join(home, 'logs')]) mkdirSync(folder)
  const { accessKey, secretKey } = credentialOf(origin)
  const ports: Record<string, number> = {}
  for (const role of ['master', 'worker', 'job.master', 'job.worker'])
    for (const kind of ['rpc', 'web']) ports[`alluxio.${role}.${kind}.port`] = await freePort()
  ports['alluxio.job.worker.data.port'] = await freePort()
  const hosts = ['master', 'worker', 'job.master', 'job.worker'].flatMap((role) => [
    [`alluxio.${role}.hostname`, '127.0.0.1'],
    [`alluxio.${role}.bind.host`, '127.0.0.1'],
  ])
  const root = 'alluxio.master.mount.table.root'
  const properties: Readonly<Record<string, string | number>> = {
    ...Object.fromEntries(hosts),
    ...ports,
    'alluxio.master.journal.type': 'UFS',
    'alluxio.master.journal.folder': join(home, 'journal'),
    [`${root}.ufs`]: `s3://${origin.bucket}/`,
    [`${root}.option.alluxio.underfs.s3.endpoint`]: url,
    [`${root}.option.alluxio.underfs.s3.disable.dns.buckets`]: 'true',
    [`${root}.option.s3a.accessKeyId`]: accessKey,
    [`${root}.option.s3a.secretKey`]: secretKey,
    'alluxio.worker.tieredstore.levels': '1',
    'alluxio.worker.tieredstore.level0.alias': 'SSD',
    'alluxio.worker.tieredstore.level0.dirs.path': cache,
    'alluxio.worker.tieredstore.level0.dirs.mediumtype': 'SSD',
    'alluxio.worker.tieredstore.level0.dirs.quota': `${Math.ceil((bytesOf(origin) * 1.5) / 1024 ** 2) + 512}MB`,
    'alluxio.job.worker.threadpool.size': '16',
  }
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}`)
  writeFileSync(join(conf, 'alluxio-site.properties'), `${lines.join('\n')}\n`)
  const folders = { 'site.conf.dir': conf, 'conf.dir': conf, home, 'work.dir': home, 'logs.dir': join(home, 'logs') }
  const java = [
    ...opened.map((part) => `--add-opens=java.base/${part}=ALL-UNNAMED`),
    ...Object.entries(folders).map(([key, value]) => `-Dalluxio.${key}=${value}`),
    ...['-Dalluxio.logger.type=Console', '-cp', `${conf}:${jars}/*`],
  ]
  tools.onEnd(() => rmSync(home, { recursive: true, force: true, maxRetries: 10 }))
  await measureProgram('java', [...java, 'alluxio.cli.Format', 'master'])
  const children = new Map<string, Child>()
  for (const role of roles) {
    const child = startChild('java', ['-Xmx1g', ...java, role], { logFile: join(home, 'logs', `${role}.err`) })
    tools.onEnd(() => child.end('SIGKILL'))
    children.set(role, child)
    const key = role
      .slice('alluxio.'.length)
      .replace(/^\w+\.Alluxio(Job)?(\w+)$/, (_all, job: string, kind: string) => {
        return `alluxio.${job === undefined ? '' : 'job.'}${kind.toLowerCase()}.rpc.port`
      })
    await until(
      () => answers(ports[key] ?? 0),
      (is) => is,
      startMs,
    )
  }
  return { children, java, cache }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
