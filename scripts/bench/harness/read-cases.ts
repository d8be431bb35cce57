// Why: what is cached is read fast, beside what reads the same file without a cache. How: one file
// is loaded into `skein local`; hot-reader.ts, a process of its own, reads it as a program does, on
// the worker's host (short circuit) and as if on another one (data port). nginx to curl and cat are
// beside the sequential reads, a bare program beside the random ones. All is in the page cache.
import { join } from 'node:path'
import { childEnvironment } from '../../../test/support/child-environment.ts'
import type { BenchCase, BenchWay, CaseDefinition, RunResult } from './bench-case.ts'
import { type BenchOrigin, type BenchTools, findProgram, measureProgram } from './bench-tools.ts'
import { MeasuredSkein } from './measured-skein.ts'

const mebibyte = 1024 * 1024
const fileMebibytes = 1024
const reader = join(import.meta.dirname, 'hot-reader.ts')

interface Pattern {
  readonly name: string
  readonly what: string
  /** Of one random read; undefined: the whole file in order. */
  readonly readBytes: number | undefined
  readonly reads: number
}

const patterns: readonly Pattern[] = [
  { name: 'sequential', what: 'a cached file in order', readBytes: undefined, reads: 1 },
  { name: 'random-4k', what: 'random 4 KiB of a cached file, 16 at once', readBytes: 4096, reads: 20_000 },
  { name: 'random-1m', what: 'random 1 MiB of a cached file, 16 at once', readBytes: mebibyte, reads: 1000 },
]

interface Hot {
  readonly skein: MeasuredSkein
  readonly origin: BenchOrigin
  readonly key: string
}

async function cached(tools: BenchTools): Promise<Hot> {
  const origin = await tools.origin(1, `${tools.scaled(fileMebibytes)}MiB`)
  const skein = await MeasuredSkein.start(tools, { quota: (fileMebibytes + 512) * mebibyte })
  await skein.createNamespace(origin)
  await skein.command('fs', 'distributedLoad', `/${origin.bucket}`)
  return { skein, origin, key: origin.objects[0]?.key ?? '' }
}

function ourWay(tools: BenchTools, { skein, origin, key }: Hot, { readBytes, reads }: Pattern, host: string): BenchWay {
  const words = [skein.home, `/${origin.bucket}/${key}`, host, String(readBytes ?? 0), String(tools.scaled(reads))]
  return {
    name: host === 'here' ? 'short circuit' : 'data port',
    kind: 'ours',
    run: async () => {
      const before = skein.processorSeconds
      const measured = await measureProgram(process.execPath, [reader, ...words], childEnvironment())
      const { seconds, ...figures } = JSON.parse(measured.stdout) as { seconds: number } & Record<string, number>
      const processorSeconds = measured.processorSeconds + skein.processorSeconds - before
      return { seconds, processorSeconds, peaks: { ...skein.peaks, reader: measured.peakBytes }, figures }
    },
  }
}

function programWay(name: string, program: string, words: readonly string[]): BenchWay {
  const missing = findProgram(program) === undefined ? `${program} is not installed` : undefined
  const run = async (): Promise<RunResult> => {
    const { seconds, processorSeconds, peakBytes } = await measureProgram(program, words)
    return { seconds, processorSeconds, peaks: { [name]: peakBytes } }
  }
  return { name, kind: 'limit', missing, run }
}

function bareWay(tools: BenchTools, { origin, key }: Hot, { readBytes, reads }: Pattern): BenchWay {
  const words = ['--bare', join(origin.folder, key), 'here', String(readBytes ?? 0), String(tools.scaled(reads))]
  return {
    name: 'bare program, with CRC',
    kind: 'limit',
    run: async () => {
      const measured = await measureProgram(process.execPath, [reader, ...words], childEnvironment())
      const { seconds, ...figures } = JSON.parse(measured.stdout) as { seconds: number } & Record<string, number>
      const { processorSeconds, peakBytes } = measured
      return { seconds, processorSeconds, peaks: { reader: peakBytes }, figures }
    },
  }
}

export const readCases: readonly CaseDefinition[] = patterns.map((pattern) => ({
  name: `read-hot-${pattern.name}`,
  what: pattern.what,
  prepare: async (tools): Promise<BenchCase> => {
    const hot = await cached(tools)
    const { origin, key } = hot
    const isSequential = pattern.readBytes === undefined
    const peers = isSequential
      ? [
          programWay('nginx to curl', 'curl', ['-s', '-f', '-o', '/dev/null', `${origin.url}/${origin.bucket}/${key}`]),
          programWay('cat', 'sh', ['-c', 'cat "$0" > /dev/null', join(origin.folder, key)]),
        ]
      : []
    return {
      ...(isSequential
        ? { amount: (origin.objects[0]?.bytes ?? 0) / mebibyte, unit: 'MiB' }
        : { amount: tools.scaled(pattern.reads), unit: 'reads' }),
      ways: [
        ourWay(tools, hot, pattern, 'here'),
        ourWay(tools, hot, pattern, 'elsewhere'),
        bareWay(tools, hot, pattern),
        ...peers,
      ],
      goals: [
        { way: 'short circuit', beside: 'bare program, with CRC', ratio: 0.9 },
        ...(isSequential ? [{ way: 'data port', beside: 'nginx to curl', ratio: 0.7 }] : []),
      ],
    }
  },
}))
