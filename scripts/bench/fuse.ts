// Why: what a mount costs beside the local disk. How: `skein local` with everything loaded, a mount
// of it, and the same programs (dd, fio, cat, ls) on the mount and on the directory that is the
// store, in turn, in one run; medians, ratios, and processor seconds of the mount and of `skein
// local`. fio starts slowly, so the time is the one for which it says that it read. The bytes are
// in memory on both sides: what is measured is the way, not the disk. Before each measurement the
// kernel drops its pages of the large file, but not where it says `again`; small files are others
// in each round. The page cache that a first read fills needs memory, and a virtual machine may
// have given it back to its host, which takes longer to bring it than all else here (1 GiB: 0.4 or
// 2 s of processor time): so it is brought before, by a file in memory that is removed again.
//
//   node scripts/bench/fuse.ts [--mib 1024] [--files 3000] [--rounds 5] [-o <mount options>]
//
// Needs root, a build (scripts/build.sh), and fio.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LocalSkein } from '../../test/support/local-skein.ts'
import { processorSeconds } from './process-figures.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    files: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '5' },
    option: { type: 'string', short: 'o', default: '' },
  },
})
const mib = Number(values.mib)
const files = Number(values.files)
const smallBytes = 16 * 1024

interface Way {
  readonly name: string
  /** A command of a shell, with the directory in `$D`. */
  readonly command: string
  readonly bytes: number
  /** What the kernel has of the mount is used. */
  readonly again?: true
  /** It fills the page cache of the kernel. */
  readonly fills?: true
}

const share = (jobs: number): string => `--size=${mib / jobs}m --offset_increment=${mib / jobs}m`
const fio = 'fio --name=x --filename=$D/large --readonly --group_reporting --output-format=terse'
/** Which of the fields that it prints has the milliseconds for which it read. */
const fioRuntime = 8
const ways: readonly Way[] = [
  { name: 'dd 1M', command: 'dd if=$D/large of=/dev/null bs=1M status=none', bytes: mib, fills: true },
  { name: 'dd 1M again', command: 'dd if=$D/large of=/dev/null bs=1M status=none', bytes: mib, again: true },
  { name: 'dd 16M direct', command: 'dd if=$D/large of=/dev/null bs=16M iflag=direct status=none', bytes: mib },
  {
    name: 'fio read direct, 16 threads',
    command: `${fio} --rw=read --bs=1M --direct=1 --thread --numjobs=16 ${share(16)}`,
    bytes: mib,
  },
  {
    name: 'fio read, 8 jobs',
    command: `${fio} --rw=read --bs=128k --numjobs=8 ${share(8)}`,
    bytes: mib,
    fills: true,
  },
  {
    name: 'fio randread 128k, 8 jobs',
    command: `${fio} --rw=randread --bs=128k --numjobs=8 --size=${mib}m --io_size=${mib / 32}m`,
    bytes: mib / 4,
    fills: true,
  },
  { name: `cat ${files} files, one process`, command: 'cat $D/first$R/* > /dev/null', bytes: 0 },
  { name: `cat ${files} files again`, command: 'cat $D/first$R/* > /dev/null', bytes: 0, again: true },
  {
    name: `cat ${files} files, a process each`,
    command: 'find $D/small -type f -exec cat {} \\; > /dev/null',
    bytes: 0,
  },
  {
    name: `cat ${files} files, at random`,
    command: 'cd $D/random$R; ls | shuf --random-source=<(yes) | xargs cat > /dev/null',
    bytes: 0,
  },
  { name: `ls -l of ${files} files`, command: 'ls -l $D/small > /dev/null', bytes: 0 },
]

function bringMemory(): void {
  const path = `/dev/shm/skein-bench-${process.pid}`
  execFileSync('bash', ['-c', `dd if=/dev/zero of=${path} bs=1M count=${mib} status=none`])
  rmSync(path)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

const rounds = Array.from({ length: Number(values.rounds) }, (_, round) => round)
const directories = ['small', ...rounds.flatMap((round) => [`first${round}`, `random${round}`])]
const smallMib = Math.ceil((directories.length * files * smallBytes) / 1024 / 1024)
const skein = await LocalSkein.start({ quota: `${mib + smallMib + 512}MB` })
const [store, point] = [join(skein.folder, 'store'), join(skein.folder, 'mnt')]
try {
  mkdirSync(point)
  for (const directory of directories) {
    mkdirSync(join(store, directory), { recursive: true })
    for (let index = 0; index < files; index += 1)
      writeFileSync(join(store, directory, `f${String(index).padStart(5, '0')}`), randomBytes(smallBytes))
  }
  for (let part = 0; part < mib / 64; part += 1)
    writeFileSync(join(store, 'large'), randomBytes(64 * 1024 * 1024), { flag: 'a' })
  const made = [
    await skein.cli('ns', 'create', 'data', `file://${store}`),
    await skein.cli('fs', 'distributedLoad', '/data'),
  ]
  if (made.some(({ code }) => code !== 0)) throw new Error(made.map(({ stderr }) => stderr).join(''))
  const options = values.option === '' ? [] : ['-o', values.option]
  const { child } = skein.startCli('fuse', 'mount', ...options, point, '/data')
  await child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 60_000)
  const places = { disk: store, mount: point } as const
  const results = new Map<string, { wall: number[]; mountCpu: number[]; localCpu: number[] }>()
  for (const round of rounds) {
    for (const way of ways) {
      for (const [place, directory] of Object.entries(places)) {
        if (place === 'mount' && way.again === undefined)
          execFileSync('bash', ['-c', `dd if=${point}/large iflag=nocache count=0 status=none`])
        if (place === 'mount' && way.fills !== undefined) bringMemory()
        const [before, beforeLocal] = [processorSeconds(child.pid), processorSeconds(skein.child.pid)]
        const beganMs = performance.now()
        const printed = execFileSync('bash', ['-c', way.command], {
          env: { ...process.env, D: directory, R: String(round) },
          stdio: ['ignore', 'pipe', 'inherit'],
          encoding: 'utf8',
        })
        const ms = Number(printed.split(';')[fioRuntime] ?? performance.now() - beganMs)
        const key = `${way.name}|${place}`
        const result = results.get(key) ?? { wall: [], mountCpu: [], localCpu: [] }
        results.set(key, result)
        result.wall.push(ms / 1000)
        result.mountCpu.push(processorSeconds(child.pid) - before)
        result.localCpu.push(processorSeconds(skein.child.pid) - beforeLocal)
      }
    }
  }
  for (const { name, bytes } of ways) {
    const [disk, mount] = [results.get(`${name}|disk`), results.get(`${name}|mount`)]
    if (disk === undefined || mount === undefined) continue
    const [diskSeconds, seconds] = [median(disk.wall), median(mount.wall)]
    const rate = (wall: number): string =>
      bytes === 0 ? '' : ` (${((bytes * 1.048576) / 1000 / wall).toFixed(2)} GB/s)`
    const times = `mount ${seconds.toFixed(3)} s${rate(seconds)}, disk ${diskSeconds.toFixed(3)} s${rate(diskSeconds)}`
    const processor = `mount ${median(mount.mountCpu).toFixed(2)} s, local ${median(mount.localCpu).toFixed(2)} s`
    console.log(`${name.padEnd(34)} ${times}, ratio ${(seconds / diskSeconds).toFixed(1)}; processor: ${processor}`)
  }
  await child.end('SIGTERM')
} finally {
  await skein.dispose()
  rmSync(point, { recursive: true, force: true })
}
