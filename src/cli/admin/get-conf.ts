// Why: `skein getConf [key]`: what a command or role started here would be configured as, and where
// each value comes from. As Alluxio's getConf: with a key the bare value on stdout, for scripts;
// without one all of them.
import type { Command } from 'commander'
import { describeConfig } from '../../config/read-config.ts'
import { definitionOf, nearestKey } from '../../config/keys/schema.ts'
import { type CommandContext, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { printable } from '../frame/printable.ts'

/** Adds `getConf`. */
export function addGetConf(parent: Command, context: CommandContext): void {
  parent
    .command('getConf')
    .description('show the value and the source of a configuration key, or of all keys')
    .argument('[key]', 'such as goosefs.master.hostname')
    .option('--source', 'with a key: also show the source of the value')
    .action((key: string | undefined, flags: { source?: true }) => getConf(context, key, flags.source === true))
}

function getConf(context: CommandContext, key: string | undefined, withSource: boolean): void {
  const { definitions } = context.options
  const all = describeConfig({ mode: 'client', definitions, environment: context.environment }).map(
    ({ key: name, value, meaning, source }) => ({
      key: name,
      value: value ?? null,
      ...(value === undefined && meaning !== '' && { meaning }),
      source: source.where === '' ? source.layer : `${source.layer} ${source.where}`,
    }),
  )
  if (key === undefined) {
    const lines = all.map(({ key: name, value, meaning = 'none', source }) =>
      printable(`${name}=${value ?? ''} (${value === null ? `${meaning}; ` : ''}${source})`),
    )
    writeResult(context, { values: all }, lines.join('\n'))
    return
  }
  if (definitionOf(key) === undefined)
    throw usageError(`unknown key '${key.slice(0, 200)}'; the nearest known key is '${nearestKey(key)}'`)
  const found = all.find(({ key: name }) => name === key) ?? { key, value: null, source: 'default' }
  writeResult(context, found, printable(`${found.value ?? ''}${withSource ? ` (${found.source})` : ''}`))
}
