// Why: `skein tune explain`: what a key does, its value and where that comes from, what the rules
// and the GooseFS tuning guide say of it, and what `tune recommend` would choose.
import { kindText } from '../../config/keys/document-keys.ts'
import { definitionOf, nearestKey } from '../../config/keys/schema.ts'
import { describeConfig, loadConfig } from '../../config/read-config.ts'
import { tuningValuesOf } from '../../config/configured-tuning.ts'
import { valueTexts } from '../../config/tuning-values.ts'
import { explain, type Explanation } from '../../tuning/explanation.ts'
import { recommend } from '../../tuning/recommendation.ts'
import { selfTuning } from '../../tuning/self-tuning.ts'
import type { SizeHistogram } from '../../tuning/size-histogram.ts'
import { type CommandContext, openTarget, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { printable } from '../frame/printable.ts'
import { type KnownMachines, knownMachines, machineOf, type MachineFlags, machinesText } from './job-worker-machines.ts'
import { listedSizes } from './listed-sizes.ts'
import { plain, sourceText } from './tune-check.ts'

export async function explainKey(
  context: CommandContext,
  key: string,
  path: string | undefined,
  flags: MachineFlags,
): Promise<void> {
  const definition = definitionOf(key)
  if (definition === undefined)
    throw usageError(`unknown key '${printable(key.slice(0, 200))}'; the nearest known key is '${nearestKey(key)}'`)
  const machine = machineOf(flags)
  const input = {
    mode: 'check',
    definitions: context.options.definitions,
    environment: context.environment,
    machine,
  } as const
  const config = loadConfig(input)
  const set = describeConfig(input).find((one) => one.key === key)
  const values: Readonly<Record<string, string>> = valueTexts(tuningValuesOf(config, machine.memoryBytes))
  const value = set?.value ?? values[key]
  const { sizes, known } = await sizesOf(context, path, flags)
  const explanation = explain(key, definition, recommend(sizes, known.machines))
  const usual = plain(definition.default ?? definition.defaultDoc ?? 'none')
  const facts = {
    value: value ?? null,
    source: sourceText(set?.source),
    kind: plain(kindText(definition)),
    default: usual,
    scope: definition.scope,
    duringLoads: selfTuning(key, config.jobWorker.tuning, config.sources.has(key)) ?? null,
  }
  const { rules, guide = null, recommended = null } = explanation
  const document = {
    ...{ key, does: plain(explanation.does), ...facts, guide },
    rules: rules.map(({ id, says, isOfGuide }) => ({ rule: id, says: plain(says), ofGuide: isOfGuide })),
    recommended: recommended && { ...recommended, value: recommended.value ?? null },
    machines: { ...known.machines, from: known.from },
  }
  const place = `${machinesText(known)}${sizes === undefined ? ', files not known' : ''}`
  writeResult(context, document, explanationText(explanation, facts, place))
}

async function sizesOf(
  context: CommandContext,
  text: string | undefined,
  flags: MachineFlags,
): Promise<{ readonly sizes: SizeHistogram | undefined; readonly known: KnownMachines }> {
  if (text === undefined) return { sizes: undefined, known: await knownMachines(context, flags, undefined) }
  const { path, cluster } = await openTarget(context, text)
  const known = await knownMachines(context, flags, cluster)
  return { sizes: await listedSizes(context, cluster.files, path), known }
}

function explanationText(
  { key, does, guide, rules, recommended }: Explanation,
  facts: Readonly<Record<'value' | 'source' | 'kind' | 'default' | 'scope' | 'duringLoads', string | null>>,
  place: string,
): string {
  const rows: (readonly [string, string])[] = [
    ['Value', `${facts.value ?? 'none'} (${facts.source})`],
    ['Default', facts.default ?? 'none'],
    ['Kind', facts.kind ?? ''],
    ['Read by', facts.scope ?? ''],
    ...(facts.duringLoads === null ? [] : [['During loads', facts.duringLoads] as const]),
    [
      'Guide',
      guide === undefined ? 'the GooseFS tuning guide does not speak of this key' : `GooseFS tuning guide: ${guide}`,
    ],
    ...rules.map(({ id, says }) => ['Rule', `${id}: ${plain(says)}`] as const),
  ]
  if (recommended !== undefined) {
    rows.push(['Recommended', `${recommended.value ?? 'the default'}: ${recommended.reason}`], ['', `(${place})`])
  }
  const lines = rows.map(([name, text]) => printable(`  ${name.padEnd(12)} ${text}`))
  return [key, printable(`  ${plain(does)}`), '', ...lines].join('\n')
}
