// Why: `skein tune probe`: what the store of a namespace and the disks of a worker can do, measured
// within bounds.
import { readText } from '../../base/files/text-file.ts'
import { parseProbe, type ProbeDocument } from '../../tuning/probe-document.ts'
import { type CommandContext, openTarget, type Target, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { jsonText } from '../frame/json-document.ts'
import { printable } from '../frame/printable.ts'
import { localPath, localUri } from '../fs/local-path.ts'
import { newFile } from './new-file.ts'
import { type ProbeFlags, probeOptionsOf } from './probe/probe-options.ts'
import { runProbe } from './probe/probe-run.ts'
import { probeText } from './probe/probe-text.ts'

const fileBytesMax = 1024 ** 2

export async function probe(
  context: CommandContext,
  text: string,
  flags: ProbeFlags & { readonly write?: string; readonly overwrite?: true },
): Promise<void> {
  const options = probeOptionsOf(flags)
  const file =
    flags.write === undefined ? undefined : await newFile(flags.write, flags.overwrite === true, context.uniqueId)
  const target = await openTarget(context, text.includes('/') ? text : `/${text}`)
  const found = await runProbe(context, placeOf(target), options)
  await file?.write(`${jsonText(found)}\n`)
  const written = file === undefined ? '' : `\nWrote ${printable(localUri(file.path))}`
  writeResult(context, { ...found, ...(file !== undefined && { file: file.path }) }, `${probeText(found)}${written}`)
}

/**
 * The probe that `--probe` names, or one that is made now with the usual bounds.
 * @param flag the value of `--probe`: a file, true, or undefined without the option
 * @throws SkeinError not_found, invalid_argument naming the file, and those of a probe
 */
export async function probeOf(
  context: CommandContext,
  target: Target,
  flag: string | true | undefined,
): Promise<ProbeDocument | undefined> {
  if (flag === undefined) return undefined
  if (flag === true) return await runProbe(context, placeOf(target), probeOptionsOf({}))
  return await readProbe(flag)
}

/** @throws SkeinError not_found, failed_precondition, invalid_argument naming the file */
export async function readProbe(text: string): Promise<ProbeDocument> {
  const file = localPath(text)
  return parseProbe(await readText({ file, name: file, isPipeAllowed: false }, fileBytesMax, usageError), file)
}

function placeOf({ cluster, path, config }: Target): Parameters<typeof runProbe>[1] {
  return { cluster, path, hostname: config.worker.hostname }
}
