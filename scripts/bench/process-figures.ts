// Why: benchmarks measure processes from outside, by the kernel's figures, and all of them alike.
// How: reads /proc; Linux only.
import { readFileSync } from 'node:fs'

/** Bytes. */
export interface ProcessSizes {
  /** The most that was resident so far. */
  readonly peak: number
  readonly resident: number
  readonly anonymous: number
  /** Mapped from files. */
  readonly files: number
}

export function sizesOf(pid: number): ProcessSizes {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
  return { peak: field('VmHWM'), resident: field('VmRSS'), anonymous: field('RssAnon'), files: field('RssFile') }
}

/** Seconds of processor time so far, of the process itself. */
export function processorSeconds(pid: number): number {
  return ticksOf(pid, 11) / ticksPerSecond
}

/** The same of the children of this process that have been waited for. */
export function childrenSeconds(): number {
  return ticksOf(process.pid, 13) / ticksPerSecond
}

/** On every Linux there is. */
const ticksPerSecond = 100

/** User and system time, fields beside each other (proc(5)); the name before may have blanks. */
function ticksOf(pid: number, at: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return Number(fields[at]) + Number(fields[at + 1])
}
