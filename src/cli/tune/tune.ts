// Why: `skein tune`: what a tuning guide would be read for. `analyze`: the sizes of the files;
// `probe`: what the store can do; `recommend`: settings with reasons; `sweep`: which values are
// best, by loading; `check`: settings that break a rule; `explain`: a key.
import type { Command } from 'commander'
import { tuningKeys } from '../../config/tuning-values.ts'
import type { CommandContext } from '../frame/context.ts'
import { withSecrets } from '../frame/secret-sources.ts'
import { suggested } from '../frame/suggested.ts'
import { machineOptions, type MachineFlags } from './job-worker-machines.ts'
import { analyze } from './tune-analyze.ts'
import { check } from './tune-check.ts'
import { withProbeFlags } from './probe/probe-options.ts'
import { explainKey } from './tune-explain.ts'
import { probe } from './tune-probe.ts'
import { sweep, type SweepFlags } from './tune-sweep.ts'
import { recommendSettings } from './tune-recommend.ts'

const pathText = '/namespace/dir or gfs://host:port/namespace/dir'
const collect = (one: string, before: readonly string[]): string[] => [...before, one]
const overwriteText = 'replace the file if it exists'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('analyze')
    .description('show a histogram and percentiles of the sizes of the files below a path')
    .argument('<path>', pathText)
    .option('--svg <file>', 'also write the histogram as an SVG picture')
    .option('--overwrite', overwriteText)
    .action(async (path: string, flags: { svg?: string; overwrite?: true }) => analyze(context, path, flags))
  withMachine(
    parent
      .command('recommend')
      .description('print settings for loading the files below a path, as a profile, with the reason of each')
      .argument('<path>', pathText)
      .option('--write <file>', 'write the profile to a file, for `skein.profile`')
      .option('--overwrite', overwriteText)
      .option('--probe [file]', 'go by a file of `tune probe`, or probe now with its default bounds')
      .option('--workers <n>', 'number of job workers (default: the live ones)'),
    'as the job workers report',
  ).action(async (path: string, flags: Parameters<typeof recommendSettings>[2]) =>
    recommendSettings(context, path, flags),
  )
  withProbeFlags(
    parent
      .command('probe')
      .description('measure the store of a namespace and the disks of a worker, within bounds')
      .argument('<namespace>', 'namespace, /namespace/dir or gfs://host:port/namespace/dir: what is read'),
  )
    .option('--write <file>', 'also write the figures to a file, for `tune recommend --probe`')
    .option('--overwrite', overwriteText)
    .action(async (namespace: string, flags: Parameters<typeof probe>[2]) => probe(context, namespace, flags))
  withSecrets(
    parent
      .command('sweep')
      .description('load the files below a path once for each combination of values, and compare')
      .argument('<path>', pathText)
      .option('--param <key=values>', 'key and values, such as skein.load.active.jobs=8,32; repeatable', collect, [])
      .option('--runs <n>', 'loads of each point; their median counts (default: 3)')
      .option('--max-points <n>', 'refuse more combinations than this (default: 36)')
      .option('--own', 'measure each point in a cluster of its own on this machine: for keys that roles read')
      .option('--folder <dir>', 'with --own: where its caches are (default: the temporary directory)')
      .option('--state <file>', 'keep the figures here, and go on from here (default: skein-sweep.json)')
      .option('--restart', 'begin again, and replace the file of --state')
      .option('--svg <file>', 'also write the figures as an SVG picture')
      .option('--write <file>', 'also write the settings of the best point, for `skein.profile`')
      .option('--overwrite', 'replace the files of --svg and --write if they exist'),
  ).action(async (path: string, flags: SweepFlags) => sweep(context, path, flags))
  withMachine(
    parent
      .command('check')
      .description('list settings that break a tuning rule, with a better value; exit code 5 if there are any')
      .argument('[file]', 'a properties file, judged alone (default: the configuration of a role that starts here)'),
    'of this machine',
  ).action(async (file: string | undefined, flags: MachineFlags) => check(context, file, flags))
  const explain = withMachine(
    parent
      .command('explain')
      .description('explain a configuration key: its effect, value, rules, and what `tune recommend` chooses')
      .argument('<key>', 'any key, such as fs.cosn.read.ahead.block.size')
      .argument('[path]', 'choose for the files below this path, and for the job workers'),
    'with a path, as the job workers report; otherwise of this machine',
  ).action(async (key: string, path: string | undefined, flags: MachineFlags) => explainKey(context, key, path, flags))
  suggested(explain, 'key', Object.values(tuningKeys))
}

/** @param usual where the cores and the memory come from without the options */
function withMachine(command: Command, usual: string): Command {
  for (const [flags, meaning] of machineOptions) command.option(flags, `${meaning} (default: ${usual})`)
  return command
}
