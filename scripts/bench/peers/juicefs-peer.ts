// Why: JuiceFS brings objects near programs in two ways: `sync` copies them, and `warmup` fills
// the cache of a mounted volume. How: the copy is one process. The volume has its metadata in
// SQLite and its chunks in a folder, which is nearer than any store; it is filled once, and
// before each run its cache is emptied. Processor time includes that of the mount.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startChild } from '../../../test/support/child.ts'
import { until } from '../../../test/support/until.ts'
import type { BenchWay, RunResult } from '../harness/bench-case.ts'
import { measureProgram } from '../harness/bench-tools.ts'
import { type Copy, copyWay, credentialOf, foundPeer } from '../harness/peers.ts'
import { processorSeconds, sizesOf } from '../process-figures.ts'

const warmup = 'juicefs warmup'

export function juicefsSync({ tools, origin, url, isLarge }: Copy): BenchWay {
  return copyWay(tools, 'juicefs sync', 'peer', ['juicefs'], async (program, folder) => {
    const { accessKey, secretKey } = credentialOf(origin)
    const from = `minio://${accessKey}:${secretKey}@${url.replace('http://', '')}/${origin.bucket}/`
    const flags = ['--threads', isLarge ? '16' : '64', '--metrics', '127.0.0.1:0']
    return await measureProgram(program, ['sync', ...flags, from, `file://${folder}/`])
  })
}

export function juicefsWarmup({ tools, origin }: Copy): BenchWay {
  const program = foundPeer('juicefs')
  const head = { name: warmup, kind: 'peer' as const }
  const never = (): Promise<RunResult> => Promise.reject(new Error('not measured'))
  if (program === undefined) return { ...head, missing: 'juicefs is not installed', run: never }
  if (!existsSync('/dev/fuse') || process.getuid?.() !== 0)
    return { ...head, missing: 'a mount needs /dev/fuse and root', run: never }
  const mounted = async (): Promise<{ readonly point: string; readonly pid: number }> => {
    const [folder, point] = [tools.folder('juicefs'), tools.folder('juicefs-mount')]
    const [chunks, cache, database] = ['chunks', 'cache', 'meta.db'].map((name) => join(folder, name))
    for (const one of [chunks, cache]) mkdirSync(one ?? '')
    const volume = `sqlite3://${database}`
    execFileSync(program, ['format', '--storage', 'file', '--bucket', `${chunks}/`, volume, 'bench'], {
      stdio: 'ignore',
    })
    const flags = ['--no-usage-report', '--no-bgjob', '--cache-dir', cache ?? '', '--metrics', '127.0.0.1:0']
    const child = startChild(program, ['mount', ...flags, volume, point], { logFile: join(folder, 'mount.log') })
    tools.onEnd(async () => {
      execFileSync(program, ['umount', '--force', point], { stdio: 'ignore' })
      await child.end('SIGTERM')
    })
    const isMounted = (): boolean => readFileSync('/proc/mounts', 'utf8').includes(` ${point} `)
    await until(
      async () => isMounted(),
      (is) => is,
      30_000,
    )
    execFileSync('cp', ['-r', origin.folder, join(point, 'data')])
    // The process that was started may only wait for the one that serves.
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ')
    const served = children.map(Number).find((pid) => pid > 0) ?? child.pid
    return { point: join(point, 'data'), pid: served }
  }
  const run = async (): Promise<RunResult> => {
    const { point, pid } = await tools.once('juicefs volume', mounted)
    execFileSync(program, ['warmup', '--evict', point], { stdio: 'ignore' })
    const before = processorSeconds(pid)
    const { seconds, processorSeconds: own, peakBytes } = await measureProgram(program, ['warmup', '-p', '64', point])
    const used = own + processorSeconds(pid) - before
    return { seconds, processorSeconds: used, peaks: { mount: sizesOf(pid).peak, [warmup]: peakBytes } }
  }
  return { ...head, run }
}
