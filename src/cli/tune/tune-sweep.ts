// Why: `skein tune sweep`: which values are best for these files is measured by loading them.
import { tmpdir } from 'node:os'
import { definitionOf } from '../../config/keys/schema.ts'
import { describeConfig } from '../../config/read-config.ts'
import { gridOf, parametersOf } from '../../tuning/sweep-grid.ts'
import { type PointSummary, summaryOf, type SweepState } from '../../tuning/sweep-state.ts'
import { type CommandContext, openTarget, type Target, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { wholeNumber } from '../frame/numbers.ts'
import { printable } from '../frame/printable.ts'
import { type SecretFlags, secretsOf } from '../frame/secret-sources.ts'
import { localPath, localUri, onLocal } from '../fs/local-path.ts'
import { listedSizes } from './listed-sizes.ts'
import { type NewFile, newFile } from './new-file.ts'
import { pointSettings } from './sweep/point-settings.ts'
import { keepSweep, openSweep } from './sweep/sweep-file.ts'
import { runSweep, type SweepPlan } from './sweep/sweep-runs.ts'
import { settingsFile, sweepSvg, sweepText } from './sweep/sweep-text.ts'

export interface SweepFlags extends SecretFlags {
  readonly param: readonly string[]
  readonly runs?: string
  readonly maxPoints?: string
  readonly own?: true
  readonly folder?: string
  readonly state?: string
  readonly restart?: true
  readonly svg?: string
  readonly write?: string
  readonly overwrite?: true
}

export async function sweep(context: CommandContext, text: string, flags: SweepFlags): Promise<void> {
  if (flags.param.length === 0) throw usageError('--param key=value,value,... is missing: it names what is varied')
  const isOwn = flags.own === true
  const parameters = parametersOf(flags.param, isOwn)
  const points = gridOf(parameters, wholeNumber('--max-points', flags.maxPoints ?? '36', 1, 10_000))
  const rounds = wholeNumber('--runs', flags.runs ?? '3', 1, 100)
  checkOwnFlags(flags)
  const base = isOwn ? baseSettings(context.options.definitions) : {}
  for (const point of points) warnOfRules(context, base, point)
  const secrets = isOwn ? await secretsOf(context, flags) : {}
  const files = await newFiles(context, flags)
  const target = await openTarget(context, text)
  // No load is of all namespaces, and what is cached of them would be freed before it is refused.
  if (target.path === '/') throw usageError('name a namespace to load: /namespace or /namespace/dir')
  const file = localPath(flags.state ?? 'skein-sweep.json')
  const startedAt = new Date(context.clock.nowMs()).toISOString()
  const identity = { path: target.path, isOwn, base, parameters }
  const state = await openSweep(file, identity, { restart: flags.restart === true, startedAt })
  const plan = await planOf(context, target, { points, rounds, isOwn, secrets, folder: flags.folder })
  const freed = isOwn ? '' : `${printable(target.path)} is freed before each; `
  context.io.stderr(
    `${points.length} points x ${rounds} runs: ${points.length * rounds} loads of ${plan.bytes} bytes each, ` +
      `${state.runs.length} done; ${freed}the store may charge for them\n`,
  )
  const done = await runSweep(context, plan, state, (now) =>
    onLocal(file, () => keepSweep(file, now, context.uniqueId())),
  )
  await report(context, done, rounds, file, files)
}

function checkOwnFlags({ own, folder, secret, secretFile, secretStdin }: SweepFlags): void {
  const hasSecrets = secret.length + secretFile.length > 0 || secretStdin === true
  if (own !== true && (folder !== undefined || hasSecrets))
    throw usageError('--folder and secrets are for a cluster of the sweep: use them with --own')
}

/**
 * The settings of -D without those that lead to the cluster of the path. @throws SkeinError
 * invalid_argument (usage)
 */
function baseSettings(definitions: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(definitions).filter(([key]) => {
    const { kind, scope } = definitionOf(key) ?? {}
    const isOfCluster = key === 'skein.home' || key === 'goosefs.master.hostname' || kind === 'port'
    return !isOfCluster && scope !== 'gateway' && kind !== 'secret'
  })
  return Object.fromEntries(own)
}

/** Also checks the values. */
function warnOfRules(
  { io }: Pick<CommandContext, 'io'>,
  base: Readonly<Record<string, string>>,
  point: Readonly<Record<string, string>>,
): void {
  const { broken } = pointSettings(base, point)
  for (const line of broken) io.stderr(`skein: warning: ${printable(line)}\n`)
}

interface NewFiles {
  readonly svg: NewFile | undefined
  readonly profile: NewFile | undefined
}

async function newFiles(context: CommandContext, { svg, write, overwrite }: SweepFlags): Promise<NewFiles> {
  const open = async (name: string | undefined): Promise<NewFile | undefined> =>
    name === undefined ? undefined : await newFile(name, overwrite === true, context.uniqueId)
  return { svg: await open(svg), profile: await open(write) }
}

async function planOf(
  context: CommandContext,
  target: Target,
  {
    isOwn,
    secrets,
    folder,
    ...rest
  }: Pick<SweepPlan, 'points' | 'rounds'> & {
    readonly isOwn: boolean
    readonly secrets: Readonly<Record<string, string>>
    readonly folder: string | undefined
  },
): Promise<SweepPlan> {
  const sizes = await listedSizes(context, target.cluster.files, target.path)
  if (sizes.files === 0) throw usageError(`${printable(target.path)} has no files to load`)
  const plan = { target, ...rest, bytes: sizes.bytes }
  if (!isOwn) return { ...plan, own: undefined }
  const call = { signal: context.signal }
  const namespace = await target.cluster.master().getNamespace({ name: '', path: target.path }, call)
  const missing = namespace.secretNames.filter((name) => !Object.hasOwn(secrets, name))
  if (missing.length > 0)
    throw usageError(`--own needs the secrets of /${namespace.name}: ${missing.join(', ')}, by --secret-file or others`)
  return { ...plan, own: { folder: localPath(folder ?? tmpdir()), namespace, secrets } }
}

async function report(
  context: CommandContext,
  state: SweepState,
  rounds: number,
  file: string,
  { svg, profile }: NewFiles,
): Promise<void> {
  const points = summaryOf(state)
  const subtitle = `${rounds} runs of each point, medians; ${state.startedAt}`
  await svg?.write(sweepSvg(points, `skein tune sweep ${printable(state.path)}`, subtitle))
  const best = points.find(({ isBest }) => isBest)
  if (best !== undefined) await profile?.write(settingsFile(bestSettings(state, best), headOf(state, best, rounds)))
  const written = [svg, best === undefined ? undefined : profile].flatMap((one) =>
    one === undefined ? [] : [one.path],
  )
  const document = {
    ...{ path: state.path, own: state.isOwn, runs: rounds, parameters: state.parameters, points },
    best: best?.values ?? null,
    state: file,
    ...(svg !== undefined && { svg: svg.path }),
    ...(best !== undefined && profile !== undefined && { file: profile.path }),
  }
  const lines = written.map((path) => `Wrote ${printable(localUri(path))}`)
  writeResult(context, document, [sweepText(points, state.isOwn), ...lines].join('\n'))
}

/** What the best point was measured with: the profile of the command, -D, and its own values. */
function bestSettings({ base }: SweepState, best: PointSummary): Readonly<Record<string, string>> {
  const { settings } = pointSettings(base, best.values)
  const definitions = { ...settings, 'skein.home': '/nonexistent' }
  const all = describeConfig({ mode: 'check', definitions, environment: {} })
  const chosen = all.flatMap(({ key, value, source: { layer } }) =>
    (layer === 'profile' || layer === 'flag') && value !== undefined ? [[key, value] as const] : [],
  )
  return Object.fromEntries(chosen.filter(([key]) => key !== 'skein.home' && key !== 'skein.profile'))
}

function headOf({ path, startedAt }: SweepState, best: PointSummary, rounds: number): string[] {
  const { seconds = 0, bytesPerSecond = 0, filesPerSecond = 0, peakBytes } = best
  const memory = peakBytes === undefined ? '' : `, peak memory ${Math.round(peakBytes / 1024 ** 2)} MB`
  return [
    `Made by skein tune sweep ${path}, ${startedAt}`,
    `Median of ${rounds} loads: ${seconds.toFixed(2)} s, ${(bytesPerSecond / 1024 ** 2).toFixed(1)} MB/s, ` +
      `${filesPerSecond.toFixed(0)} files/s${memory}`,
  ]
}
