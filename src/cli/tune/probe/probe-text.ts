// Why: a person sees at a glance what the store and the disks can do, and what finding out has
// cost. Pure.
import { formatBytes } from '../../../base/bytes.ts'
import { sizeText } from '../../../config/tuning-values.ts'
import type { ProbeDocument } from '../../../tuning/probe-document.ts'
import { printable } from '../../frame/printable.ts'

const megabyte = 1024 ** 2

export function probeText(probe: ProbeDocument): string {
  const { worker, objects, rangeBytes, roundTripMs, rungs, disks, spent, problem } = probe
  const rows = rungs.map(({ connections, bytesPerSecond, requestsPerSecond, firstByteMs, slowDowns, failed }) =>
    [
      String(connections).padStart(11),
      rateText(bytesPerSecond).padStart(13),
      requestsPerSecond.toFixed(0).padStart(11),
      msText(firstByteMs).padStart(11),
      String(slowDowns).padStart(9),
      String(failed).padStart(7),
    ].join(' '),
  )
  return [
    printable(
      `Worker: ${worker.workerId} on ${worker.hostname}; ${objects.count} objects, median ` +
        `${formatBytes(objects.medianBytes)}, read in ranges of ${sizeText(rangeBytes)}`,
    ),
    roundTripMs === undefined
      ? 'Round trip: not measured'
      : `Round trip (HEAD): ${msText(roundTripMs.least)} least, ${msText(roundTripMs.median)} median`,
    '',
    'Connections     Per second    Requests  First byte SlowDowns  Failed',
    ...rows,
    '',
    kneeText(probe),
    slowDownText(probe),
    ...(problem === '' ? [] : [printable(`Last problem: ${problem}`)]),
    ...(disks.length === 0 ? [] : ['', 'Writes to the directories of the worker, synced:']),
    ...disks.map(({ tier, path, bytesPerSecond, problem: why }) =>
      printable(`  ${tier} ${path}: ${bytesPerSecond === undefined ? why : rateText(bytesPerSecond)}`),
    ),
    '',
    `Spent: ${spent.requests} requests (GET and HEAD), ${formatBytes(spent.bytes)}, ${spent.seconds.toFixed(1)} s. ` +
      'Stores may charge for requests and for bytes that leave them.',
  ].join('\n')
}

function kneeText({ knee, endedBy, rungs }: ProbeDocument): string {
  if (knee === undefined) return 'Knee: not found: nothing was read without trouble'
  const { connections } = knee
  const last = rungs.at(-1)?.connections ?? connections
  const why = {
    gain: `${last} bring less than 10 % more`,
    latency: 'the time to the first byte has doubled',
    slow_down: `the store asks to slow down at ${last}`,
    failures: `reads fail at ${last}`,
    bounds: 'more were not tried within the bounds (--time, --bytes, --requests)',
    connections: 'more were not tried (--connections)',
  }[endedBy]
  return `Knee: ${connections} at once, ${rateText(knee.bytesPerSecond)}: ${why}`
}

function slowDownText({ slowDown }: ProbeDocument): string {
  if (slowDown === undefined) return 'SlowDown (503): none that lasted'
  const { connections, answers, recoveredMs } = slowDown
  const after =
    recoveredMs === undefined
      ? 'it did not answer again in the time left'
      : `it answered again after ${msText(recoveredMs)}`
  return `SlowDown (503): ${answers} at ${connections} connections; ${after}`
}

function rateText(bytesPerSecond: number): string {
  return `${(bytesPerSecond / megabyte).toFixed(bytesPerSecond < 10 * megabyte ? 2 : 0)} MB/s`
}

function msText(ms: number | undefined): string {
  return ms === undefined ? '-' : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`
}
