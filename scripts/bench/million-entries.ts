// Why: a directory may have a million entries, and every door must list it in good time and bounded
// memory. How: `skein local` over an nginx that serves the pages of a listing as files (it costs
// next to nothing); a namespace of its own for each door that lists a directory that the master
// does not know yet (cold), one for all that list a known one (warm). Time, and for each process
// the processor time and the peak of its memory.
//
//   node scripts/bench/million-entries.ts [--entries 1000000] [--cold library,s3] [--warm <doors>]
//   doors: library, s3, s3-delimiter, s3-v1, webhdfs, webhdfs-batch, cli, fuse
//
// Needs nginx; fuse also needs root. The files of the listing take 250 bytes an entry in the
// temporary folder.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect } from '../../src/client/library.ts'
import { main } from '../../test/support/cluster.ts'
import { freePort } from '../../test/support/free-port.ts'
import { LocalSkein, storeFlags } from '../../test/support/local-skein.ts'
import { startListedOrigin } from './listed-origin.ts'
import { processorSeconds, sizesOf } from './process-figures.ts'
import { undoing } from './undos.ts'

const doorNames = ['library', 's3', 's3-delimiter', 's3-v1', 'webhdfs', 'webhdfs-batch', 'cli', 'fuse'] as const
type DoorName = (typeof doorNames)[number]

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    cold: { type: 'string', default: 'library' },
    warm: { type: 'string', default: doorNames.join(',') },
    property: { type: 'string', multiple: true, default: [] },
  },
})
const entries = Number(values.entries)
const nameOf = (index: number): string => `object-${String(index).padStart(8, '0')}`
const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(0)} MiB`

function doorsOf(text: string): DoorName[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const known = doorNames.find((door) => door === name)
      if (known === undefined) throw new Error(`there is no door ${name}: ${doorNames.join(', ')}`)
      return known
    })
}

/** What one listing came to. */
interface Listed {
  readonly entries: number
  /** Until the first entry was there. */
  readonly firstMs: number
  /** Processes beside `skein local` and this one. */
  readonly others: readonly { readonly name: string; readonly seconds: number; readonly peak: number }[]
}

type Listing = (namespace: string) => Promise<Listed>

/** Counts while pages come. */
class Count {
  readonly #beganMs = performance.now()
  entries = 0
  firstMs = Number.NaN

  add(some: number): void {
    if (Number.isNaN(this.firstMs)) this.firstMs = performance.now() - this.#beganMs
    this.entries += some
  }

  listed(others: Listed['others'] = []): Listed {
    return { entries: this.entries, firstMs: this.firstMs, others }
  }
}

const patient = { signal: AbortSignal.timeout(3_600_000) }

async function textOf(url: string): Promise<string> {
  const answer = await fetch(url, patient)
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return answer.text()
}

async function listedByS3(address: string, namespace: string, query: string): Promise<Listed> {
  const count = new Count()
  for (let token = ''; ;) {
    const more = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`
    const text = await textOf(`http://${address}/${namespace}?list-type=2&encoding-type=url${query}${more}`)
    count.add(text.split('<Contents>').length - 1)
    token = /<NextContinuationToken>([^<]*)</.exec(text)?.[1] ?? ''
    if (token === '') return count.listed()
  }
}

async function listedByMarker(address: string, namespace: string): Promise<Listed> {
  const count = new Count()
  for (let marker = ''; ;) {
    const text = await textOf(`http://${address}/${namespace}?encoding-type=url&marker=${encodeURIComponent(marker)}`)
    const keys = [...text.matchAll(/<Key>([^<]*)</g)]
    count.add(keys.length)
    if (!text.includes('<IsTruncated>true<')) return count.listed()
    marker = keys.at(-1)?.[1] ?? ''
  }
}

async function listedInBatches(address: string, namespace: string): Promise<Listed> {
  const count = new Count()
  for (let last = ''; ;) {
    const more = last === '' ? '' : `&startafter=${encodeURIComponent(last)}`
    const text = await textOf(`http://${address}/webhdfs/v1/${namespace}?op=LISTSTATUS_BATCH${more}`)
    const names = [...text.matchAll(/"pathSuffix":"([^"]*)"/g)]
    count.add(names.length)
    last = names.at(-1)?.[1] ?? ''
    if (names.length === 0 || text.includes('"remainingEntries":0')) return count.listed()
  }
}

async function listedAtOnce(address: string, namespace: string): Promise<Listed> {
  const count = new Count()
  const answer = await fetch(`http://${address}/webhdfs/v1/${namespace}?op=LISTSTATUS`, patient)
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of answer.body ?? []) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split('"pathSuffix"')
    rest = pieces.at(-1)?.slice(-20) ?? ''
    if (pieces.length > 1) count.add(pieces.length - 1)
  }
  return count.listed()
}

/** Lines of a program's output; its figures are those shortly before its end. */
async function listedByProgram(program: string, args: readonly string[], home: string): Promise<Listed> {
  const count = new Count()
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SKEIN_HOME: home },
  })
  child.stdout.on('data', (bytes: Buffer) => count.add(bytes.toString('latin1').split('\n').length - 1))
  const figures = { name: program.split('/').at(-1) ?? '', seconds: 0, peak: 0 }
  const code = await untilEnd(child, (pid) => {
    figures.seconds = processorSeconds(pid)
    figures.peak = sizesOf(pid).peak
  })
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
  return count.listed([figures])
}

async function untilEnd(child: ChildProcess, look: (pid: number) => void): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  let isOver = false
  void ended.then(() => (isOver = true))
  while (!isOver) {
    try {
      look(child.pid ?? 0)
    } catch {
      // It has ended.
    }
    await delay(50)
  }
  return ended
}

const skein = new LocalSkein({
  properties: Object.fromEntries(values.property.map((one) => one.split('=') as [string, string])),
})
// Started by root, nginx reads as somebody else.
chmodSync(skein.folder, 0o755)
const originHome = join(skein.folder, 'origin')
mkdirSync(originHome)
const origin = await startListedOrigin(originHome, await freePort(), 1024)

async function listedByMount(namespace: string): Promise<Listed> {
  const point = join(skein.folder, `mount-${namespace}`)
  mkdirSync(point)
  const { child } = skein.startCli('fuse', 'mount', point, `/${namespace}`)
  await child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 60_000)
  const before = processorSeconds(child.pid)
  const listed = await listedByProgram('ls', ['-f', point], skein.home)
  const mount = { name: 'mount', seconds: processorSeconds(child.pid) - before, peak: sizesOf(child.pid).peak }
  await child.end('SIGTERM')
  rmSync(point, { recursive: true, force: true })
  return { ...listed, entries: listed.entries - 2, others: [...listed.others, mount] }
}

async function listedByLibrary(namespace: string): Promise<Listed> {
  const files = connect({ home: skein.home })
  const count = new Count()
  try {
    for await (const page of files.list(`/${namespace}`)) count.add(page.length)
  } finally {
    await files.close()
  }
  return count.listed()
}

const door = (name: string): string => skein.addresses()[name] ?? ''
const listings: Readonly<Record<DoorName, Listing>> = {
  library: listedByLibrary,
  s3: (namespace) => listedByS3(door('s3'), namespace, ''),
  's3-delimiter': (namespace) => listedByS3(door('s3'), namespace, '&delimiter=%2F'),
  's3-v1': (namespace) => listedByMarker(door('s3'), namespace),
  webhdfs: (namespace) => listedAtOnce(door('webhdfs'), namespace),
  'webhdfs-batch': (namespace) => listedInBatches(door('webhdfs'), namespace),
  cli: (namespace) => listedByProgram(process.execPath, [main, 'fs', 'ls', `/${namespace}`], skein.home),
  fuse: listedByMount,
}

async function measure(what: string, name: DoorName, namespace: string): Promise<void> {
  const pid = skein.child.pid
  const before = processorSeconds(pid)
  const ownBefore = process.cpuUsage()
  const beganMs = performance.now()
  const listed = await listings[name](namespace)
  const seconds = (performance.now() - beganMs) / 1000
  const local = processorSeconds(pid) - before
  const own = process.cpuUsage(ownBefore)
  if (listed.entries !== entries) throw new Error(`${name} listed ${listed.entries} of ${entries} entries`)
  const each = (used: number): string => `${((used * 1e6) / entries).toFixed(1)} us`
  console.log(
    `${what.padEnd(5)} ${name.padEnd(14)} ${seconds.toFixed(1)} s, first entries after ` +
      `${(listed.firstMs / 1000).toFixed(2)} s; processor: local ${local.toFixed(1)} s (${each(local)} an entry), ` +
      `this program ${((own.user + own.system) / 1e6).toFixed(1)} s` +
      listed.others.map((one) => `, ${one.name} ${one.seconds.toFixed(1)} s`).join('') +
      `; peak: local ${mib(sizesOf(pid).peak)}` +
      listed.others.map((one) => `, ${one.name} ${mib(one.peak)}`).join(''),
  )
}

async function createNamespace(name: string): Promise<void> {
  origin.create(name, entries, nameOf)
  const made = await skein.cli('ns', 'create', name, `s3://${name}/`, ...storeFlags(origin.url))
  if (made.code !== 0) throw new Error(made.stderr)
}

await undoing(async (undos) => {
  undos.onEnd(() => skein.dispose())
  undos.onEnd(() => origin.stop())
  undos.onEnd(() => skein.stop('SIGTERM'))
  await skein.start()
  const cold = doorsOf(values.cold)
  const warm = doorsOf(values.warm)
  for (const name of cold) {
    await createNamespace(`cold-${name}`)
    await measure('cold', name, `cold-${name}`)
  }
  const [first] = cold
  const known = `cold-${first ?? 'none'}`
  if (first === undefined) {
    await createNamespace(known)
    await listings.library(known)
  }
  for (const name of warm) await measure('warm', name, known)
})
