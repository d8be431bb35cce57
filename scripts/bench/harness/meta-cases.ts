// Why: clients ask the master for each file that they open, so its calls must be fast with many
// clients at once, whatever number of files it knows. How: one master that knows 1,000,000 files,
// by a load of their metadata, for all cases; meta-caller.ts, a process of its own, with 1 and 64
// clients. The limit is a bare grpc-js server that answers as many bytes.
// scripts/bench/metadata-scale.ts has masters with more files.
import { join } from 'node:path'
import { startChild } from '../../../test/support/child.ts'
import { childEnvironment } from '../../../test/support/child-environment.ts'
import { manyFilesOrigin } from '../endurance/scale-cases.ts'
import { processorSeconds, sizesOf } from '../process-figures.ts'
import type { BenchWay, CaseDefinition } from './bench-case.ts'
import { type BenchTools, measureProgram } from './bench-tools.ts'
import { MeasuredSkein } from './measured-skein.ts'

const mebibyte = 1024 * 1024
const files = 1_000_000
const bucket = 'many'
/** Files that are asked for, spread over all directories. */
const asked = 1000
const clientCounts = [64, 1]
const caller = join(import.meta.dirname, 'meta-caller.ts')

interface MetaCall {
  readonly name: 'stat' | 'list' | 'create' | 'make' | 'rename'
  readonly what: string
  readonly calls: number
  /** Undefined: it is not compared with an echo. */
  readonly ratio: number | undefined
}

const metaCalls: readonly MetaCall[] = [
  { name: 'stat', what: 'status of a file', calls: 10_000, ratio: 0.6 },
  { name: 'list', what: 'a page of 1,000 entries', calls: 500, ratio: 0.3 },
  { name: 'create', what: 'empty files are written (two calls each), journaled', calls: 5000, ratio: undefined },
  { name: 'make', what: 'directories are made, each journaled', calls: 5000, ratio: undefined },
  { name: 'rename', what: 'files that only the cache has are renamed, each journaled', calls: 5000, ratio: undefined },
]

interface Called {
  readonly address: string
  readonly pids: Readonly<Record<string, number>>
  readonly words: readonly string[]
}

interface Master extends Called {
  readonly paths: Readonly<Record<MetaCall['name'], readonly string[]>>
}

function masterOf(tools: BenchTools): Promise<Master> {
  return tools.once('master', async () => {
    const [origin, count] = [await manyFilesOrigin(tools), tools.scaled(files)]
    origin.create(bucket, count)
    const skein = await MeasuredSkein.start(tools, { quota: 512 * mebibyte })
    await skein.createNamespace({ bucket, url: origin.url })
    await skein.command('fs', 'distributedLoad', `/${bucket}`, '--metadata-only')
    await skein.command('ns', 'create', 'made', `file://${tools.folder('store')}`)
    const keys = Array.from({ length: Math.min(asked, count) }, (_, index) =>
      origin.keyOf(Math.floor((index * count) / asked), count),
    )
    const stat = keys.map((key) => `/${bucket}/${key}`)
    const list = [...new Set(stat.map((path) => path.replace(/\/[^/]*$/, '')))]
    // The origin of the others cannot be asked whether a name is taken.
    const made = ['/made']
    const paths = { stat, list, create: made, make: made, rename: made }
    return { address: skein.address, pids: skein.pids, words: [], paths }
  })
}

function callWay(name: string, kind: BenchWay['kind'], verb: string, numbers: readonly number[], at: Called): BenchWay {
  const used = (): number => Object.values(at.pids).reduce((sum, pid) => sum + processorSeconds(pid), 0)
  return {
    name,
    kind,
    run: async () => {
      const before = used()
      const words = [caller, verb, at.address, ...numbers.map(String), ...at.words]
      const measured = await measureProgram(process.execPath, words, childEnvironment())
      const { seconds, ...figures } = JSON.parse(measured.stdout) as { seconds: number } & Record<string, number>
      const servers = Object.entries(at.pids).map(([server, pid]) => [server, sizesOf(pid).peak] as const)
      const peaks = { ...Object.fromEntries(servers), caller: measured.peakBytes }
      return { seconds, processorSeconds: measured.processorSeconds + used() - before, peaks, figures }
    },
  }
}

function clientsText(clients: number): string {
  return clients === 1 ? '1 client' : `${clients} clients`
}

/** @param bytes of an answer */
async function startEcho(tools: BenchTools, bytes: number): Promise<Called> {
  const words = [join(import.meta.dirname, 'echo-server.ts'), String(bytes)]
  const child = startChild(process.execPath, words, { logFile: join(tools.scratch, 'echo.log') })
  tools.onEnd(() => child.end('SIGTERM'))
  const line = await child.line((one) => (one.startsWith('{"ready"') ? one : undefined), 20_000)
  const { ready } = JSON.parse(line) as { ready: number }
  return { address: `127.0.0.1:${ready}`, pids: { 'echo server': child.pid }, words: [] }
}

export const metaCases: readonly CaseDefinition[] = metaCalls.map(({ name, what, calls, ratio }) => ({
  name: `meta-${name}`,
  what: `${what}, 64 clients and 1, of a master of 1,000,000 files`,
  group: 'meta',
  prepare: async (tools) => {
    const { paths, ...master } = await masterOf(tools)
    const count = tools.scaled(calls)
    const called = { ...master, words: paths[name] }
    const ours = clientCounts.map((clients) => callWay(clientsText(clients), 'ours', name, [clients, count], called))
    const limits: BenchWay[] = []
    if (ratio !== undefined) {
      const first = await callWay('one', 'ours', name, [1, 1], called).run()
      const echo = await startEcho(tools, first.figures?.['answerBytes'] ?? 0)
      for (const clients of clientCounts)
        limits.push(callWay(`echo, ${clientsText(clients)}`, 'limit', 'echo', [clients, count], echo))
    }
    const goal = { way: '64 clients', beside: 'echo, 64 clients', ratio: ratio ?? 0 }
    return { amount: count, unit: 'calls', ways: [...ours, ...limits], goals: ratio === undefined ? [] : [goal] }
  },
}))
