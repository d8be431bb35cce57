// Why: `skein tune check`: settings that break a tuning rule, before a start warns of them or
// refuses them. How: the rules are those of a start (config/tuning-rules.ts).
import { loadConfig } from '../../config/read-config.ts'
import type { BrokenRule } from '../../config/tuning-rules.ts'
import { tuningValuesOf } from '../../config/configured-tuning.ts'
import { tuningRules } from '../../config/tuning-rules.ts'
import { valueTexts } from '../../config/tuning-values.ts'
import { upperLimits } from '../../tuning/self-tuning.ts'
import { type CommandContext, writeResult } from '../frame/context.ts'
import { exitCodes, usageError } from '../frame/exit-codes.ts'
import { printable } from '../frame/printable.ts'
import { localPath } from '../fs/local-path.ts'
import { machineOf, type MachineFlags } from './job-worker-machines.ts'

export async function check(context: CommandContext, file: string | undefined, flags: MachineFlags): Promise<void> {
  if (file?.trim() === '') throw usageError('the file is missing: give a properties file, or no argument')
  const machine = machineOf(flags)
  const { definitions } = context.options
  const config = loadConfig(
    file === undefined
      ? { mode: 'check', definitions, environment: context.environment, machine }
      : { mode: 'check', definitions, environment: {}, machine, siteFile: localPath(file) },
  )
  const values = valueTexts(tuningValuesOf(config, machine.memoryBytes))
  const broken = config.brokenRules.map((one) => ({
    ...{ key: one.key, value: values[one.key] },
    source: sourceText(config.sources.get(one.key)),
    ...{ rule: one.rule.id, says: plain(one.rule.says), problem: one.problem, better: one.better },
    ofGuide: one.rule.isOfGuide,
    refusesStart: one.rule.refusesStart === true,
  }))
  if (broken.length > 0) context.setExitCode(exitCodes.ruleBroken)
  const bounded = upperLimits(config.jobWorker.tuning, (key) => config.sources.has(key))
  const note =
    bounded.length === 0 ? '' : `\n\nWith skein.tuning=auto these values are upper limits: ${bounded.join(', ')}`
  writeResult(context, { rules: tuningRules.length, broken, upperLimits: bounded }, checkText(broken) + note)
}

interface Line extends Pick<BrokenRule, 'key' | 'problem' | 'better'> {
  readonly value: string
  readonly source: string
  readonly rule: string
  readonly says: string
  readonly refusesStart: boolean
}

function checkText(broken: readonly Line[]): string {
  if (broken.length === 0) return `No setting breaks one of the ${tuningRules.length} tuning rules.`
  const parts = broken.map(({ key, value, source, rule, says, problem, better, refusesStart }) =>
    [
      printable(`${key}=${value} (${source})${refusesStart ? ': a role does not start' : ''}`),
      `  rule ${rule}: ${says}`,
      `  ${problem}`,
      `  better: ${key}=${better}`,
    ].join('\n'),
  )
  return parts.join('\n\n')
}

/** `file /etc/x.properties:3`, `flag -D` or `default`. */
export function sourceText(source: { readonly layer: string; readonly where: string } | undefined): string {
  if (source === undefined || source.where === '') return source?.layer ?? 'default'
  return `${source.layer} ${source.where}`
}

/** Without the marks of code. */
export function plain(text: string): string {
  return text.replaceAll('`', '')
}
