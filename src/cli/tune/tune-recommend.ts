// Why: `skein tune recommend`: settings for loading the files below a path, as a profile.
import { formatBytes } from '../../base/bytes.ts'
import type { ProbeDocument } from '../../tuning/probe-document.ts'
import { recommend, type Recommendation } from '../../tuning/recommendation.ts'
import { recommendedFile } from '../../tuning/recommended-file.ts'
import type { SizeHistogram } from '../../tuning/size-histogram.ts'
import { slowDisks } from '../../tuning/store-figures.ts'
import { type CommandContext, openTarget, writeResult } from '../frame/context.ts'
import { printable } from '../frame/printable.ts'
import { localUri } from '../fs/local-path.ts'
import {
  checkMachineFlags,
  type KnownMachines,
  knownMachines,
  type MachineFlags,
  machinesText,
} from './job-worker-machines.ts'
import { listedSizes } from './listed-sizes.ts'
import { newFile } from './new-file.ts'
import { probeOf, readProbe } from './tune-probe.ts'

export async function recommendSettings(
  context: CommandContext,
  text: string,
  flags: MachineFlags & { readonly write?: string; readonly overwrite?: true; readonly probe?: string | true },
): Promise<void> {
  checkMachineFlags(flags)
  if (typeof flags.probe === 'string') await readProbe(flags.probe)
  const file =
    flags.write === undefined ? undefined : await newFile(flags.write, flags.overwrite === true, context.uniqueId)
  const target = await openTarget(context, text)
  const { path, cluster } = target
  const known = await knownMachines(context, flags, cluster)
  const sizes = await listedSizes(context, cluster.files, path)
  const probe = await probeOf(context, target, flags.probe)
  const recommendation = recommend(sizes, known.machines, probe)
  const head = [...headOf(path, sizes, known, recommendation), ...(probe === undefined ? [] : probeLines(probe))]
  const profile = recommendedFile(recommendation, head)
  await file?.write(profile)
  const { properties, leftAlone, memory } = recommendation
  const document = {
    path,
    sizes: sizes.summary(),
    machines: { ...known.machines, from: known.from },
    properties,
    leftAlone,
    memory,
    ...(probe !== undefined && { probe }),
    ...(file !== undefined && { file: file.path }),
  }
  const written = file === undefined ? profile.trimEnd() : `Wrote ${printable(localUri(file.path))}`
  writeResult(context, document, written)
}

function headOf(path: string, sizes: SizeHistogram, machines: KnownMachines, { memory }: Recommendation): string[] {
  const { files, bytes, mean, percentiles } = sizes.summary()
  const figures =
    files === 0
      ? 'no files'
      : `${files} files, ${formatBytes(bytes)}; mean ${formatBytes(mean)}, median ${formatBytes(percentiles.p50)}, ` +
        `p95 ${formatBytes(percentiles.p95)}`
  return [
    `Made by skein tune recommend ${printable(path)}`,
    `Files: ${figures}`,
    `Machines: ${machinesText(machines)}`,
    `Memory: one stream ${formatBytes(memory.streamBytes)}, ` +
      `reads of a job worker ${formatBytes(memory.readBudgetBytes)}, ` +
      `one read of a worker ${formatBytes(memory.readBytes)}`,
    'With skein.tuning=auto, the default, a load begins with these values and does not exceed them',
  ]
}

function probeLines(probe: ProbeDocument): string[] {
  const { knee, worker, takenAt } = probe
  const found =
    knee === undefined
      ? 'nothing was read without trouble'
      : `${knee.connections} requests at once, ${Math.round(knee.bytesPerSecond / 1024 ** 2)} MB/s`
  const disks = slowDisks(probe)
  return [
    printable(`Store: ${found}; measured by ${worker.workerId} on ${worker.hostname}, ${takenAt}`),
    ...(disks === undefined ? [] : [`Disks: ${disks}`]),
  ]
}
