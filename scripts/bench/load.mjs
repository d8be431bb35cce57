// Measures `distributedLoad` with `skein local` beside `rclone copy` of the same data, in turn, in
// one run: medians and the ratio. The origin is nginx with prepared listings (static-origin.mjs),
// so that neither waits for a store.
// Usage: node scripts/bench/load.mjs [--rounds 3] [--origin DIR]      needs nginx and rclone; run
// `npm run build` first
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' }, origin: { type: 'string' } } })
const rounds = Number(values.rounds)
const scratch = mkdtempSync(join(tmpdir(), 'skein-bench-'))
// Started by root, nginx reads as somebody else.
chmodSync(scratch, 0o755)
const originFolder = values.origin ?? join(scratch, 'origin')
const port = 17655
const root = join(import.meta.dirname, '../..')
const main = join(root, 'dist/cli/main.js')
const workloads = [
  { bucket: 'small', what: '20,000 x 16 KiB', rclone: ['--transfers', '32'] },
  { bucket: 'big', what: '16 x 64 MiB', rclone: ['--transfers', '8', '--multi-thread-streams', '4'] },
]
const environment = { ...process.env }
delete environment.AWS_CA_BUNDLE // rclone refuses to start with a bundle that it cannot read
const folders = []
let runs = 0

function origin(verb, ...args) {
  execFileSync(process.execPath, [join(import.meta.dirname, 'static-origin.mjs'), verb, originFolder, ...args], {
    stdio: 'inherit',
  })
}

function freshFolder(name) {
  const folder = join(scratch, `${name}-${runs++}`)
  mkdirSync(folder)
  folders.push(folder)
  return folder
}

function rclone({ bucket, rclone: flags }) {
  const config = join(scratch, 'rclone.conf')
  writeFileSync(
    config,
    '[o]\ntype = s3\nprovider = Other\naccess_key_id = a\nsecret_access_key = b\n' +
      `endpoint = http://127.0.0.1:${port}\nforce_path_style = true\nlist_version = 2\n`,
  )
  const args = ['--config', config, 'copy', `o:${bucket}`, freshFolder('rclone'), '--fast-list', ...flags]
  const start = performance.now()
  const { status } = spawnSync('rclone', args, { env: environment, stdio: 'ignore' })
  if (status !== 0) throw new Error(`rclone ended with ${status}`)
  return { seconds: (performance.now() - start) / 1000 }
}

async function skein({ bucket }) {
  const home = freshFolder('skein')
  const ports = ['goosefs.master', 'goosefs.worker', 'goosefs.job.master', 'goosefs.job.worker'].flatMap((role) => [
    `-D${role}.rpc.port=0`,
    `-D${role}.web.port=0`,
  ])
  const local = spawn(process.execPath, [main, 'local', '--home', home, '-Dgoosefs.worker.data.port=0', ...ports], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise((resolve, reject) => {
    local.stdout.once('data', resolve)
    local.once('exit', () => reject(new Error('skein local did not start')))
  })
  const run = (...args) => {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
      env: { ...environment, SKEIN_HOME: home },
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`skein ${args.join(' ')} ended with ${status}: ${stderr}`)
  }
  run(
    'ns',
    'create',
    'bench',
    `s3://${bucket}/`,
    '--secret',
    's3.accessKeyId=a',
    '--secret',
    's3.secretAccessKey=b',
    '--attribute',
    `s3.endpoint=http://127.0.0.1:${port}`,
    '--attribute',
    's3.region=us-east-1',
    '--attribute',
    's3.forcePathStyle=true',
  )
  const start = performance.now()
  run('fs', 'distributedLoad', '/bench')
  const seconds = (performance.now() - start) / 1000
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${local.pid}/status`, 'utf8'))
  local.kill('SIGTERM')
  await new Promise((resolve) => local.once('exit', resolve))
  return { seconds, peakMiB: Number(peak?.[1] ?? 0) / 1024 }
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
const show = (numbers) => numbers.map((number) => number.toFixed(2)).join(' ')

if (!existsSync(main)) throw new Error('run npm run build first')
mkdirSync(originFolder, { recursive: true })
origin('start', String(port), 'big=16x64MiB', 'small=20000x16KiB')
try {
  for (const workload of workloads) {
    const ours = []
    const theirs = []
    let peakMiB = 0
    folders.splice(0)
    for (let round = 0; round < rounds; round += 1) {
      const result = await skein(workload)
      ours.push(result.seconds)
      peakMiB = Math.max(peakMiB, result.peakMiB)
      theirs.push(rclone(workload).seconds)
      // Gigabytes that wait to be written back would slow down whoever comes next; a few large
      // files go at no cost.
      if (workload.bucket === 'big') for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
    }
    console.log(
      `${workload.what}: skein ${show(ours)} s, rclone ${show(theirs)} s, medians ${median(ours).toFixed(2)} / ` +
        `${median(theirs).toFixed(2)}, ratio ${(median(ours) / median(theirs)).toFixed(2)}, skein peak RSS ` +
        `${peakMiB.toFixed(0)} MiB`,
    )
  }
} finally {
  origin('stop')
  // Only now: creating files is slower on ext4 after many were deleted, which would favour whoever
  // goes first.
  rmSync(scratch, { recursive: true, force: true })
}
