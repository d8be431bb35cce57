// Why: `skein fs mount | unmount`: namespaces in the words and shapes that users of Alluxio know
// (its MountCommand and UnmountCommand). How: without arguments the table; with them what `ns
// create` and `ns delete` do.
import type { Command } from 'commander'
import { checkNamespaceName, pathOfText } from '../../base/paths.ts'
import { type CommandContext, openCluster, openTarget, writeResult } from '../frame/context.ts'
import { storeSecrets } from '../../ufs/store-keys.ts'
import { asUsage, usageError } from '../frame/exit-codes.ts'
import { mountsOf, mountTableText } from '../format/format-namespace.ts'
import { longCallMs } from '../frame/long-call.ts'
import { pairsOf } from '../frame/pairs.ts'
import { printable } from '../frame/printable.ts'
import { type SecretFlags, secretsOf, withSecrets } from '../frame/secret-sources.ts'

interface MountFlags extends SecretFlags {
  readonly readonly?: true
  readonly option: readonly string[]
}

export function addCommands(parent: Command, context: CommandContext): void {
  const collect = (pair: string, pairs: readonly string[]): string[] => [...pairs, pair]
  withSecrets(parent.command('mount'))
    .description('list mount points, or mount a store')
    .argument('[path]', '/namespace, or / for the root mount')
    .argument('[uri]', 'cosn://bucket-appid/prefix, s3://bucket/prefix or file:///dir')
    .option('--readonly', 'refuse writes to the store')
    .option('--shared', 'accepted: every namespace is for all users')
    .option('--option <key=value>', 'attribute or secret of the namespace; repeatable', collect, [])
    .action(async (path: string | undefined, uri: string | undefined, flags: MountFlags) => {
      if (path === undefined) return list(context)
      if (uri === undefined) throw usageError('the URI is missing: use fs mount /namespace cosn://bucket-appid/prefix')
      await mount(context, path, uri, flags)
    })
  parent
    .command('unmount')
    .description('unmount a namespace and drop its cached data; the store does not change')
    .argument('<path>', '/namespace')
    .option('-f, --force', 'also if files are not yet written to the store; these files are lost')
    .action(async (path: string, flags: { force?: true }) => unmount(context, path, flags.force === true))
}

async function list(context: CommandContext): Promise<void> {
  const cluster = await openCluster(context)
  const { namespaces } = await cluster.master().listNamespaces({}, { signal: context.signal })
  if (namespaces.length === 0 && context.options.format === 'text') return
  writeResult(context, { mounts: mountsOf(namespaces) }, mountTableText(namespaces))
}

async function mount(context: CommandContext, text: string, uri: string, flags: MountFlags): Promise<void> {
  const name = namespaceOf(text)
  const options = Object.entries(pairsOf('--option', flags.option))
  const secret = options.filter(([key]) => Object.hasOwn(storeSecrets, key)).map((pair) => pair.join('='))
  const attributes = {
    ...Object.fromEntries(options.filter(([key]) => !Object.hasOwn(storeSecrets, key))),
    ...(flags.readonly === true ? { readOnly: 'true' } : {}),
  }
  const secrets = await secretsOf(context, { ...flags, secret: [...flags.secret, ...secret] })
  const request = { name, uri, attributes, secrets }
  const { cluster } = await openTarget(context, text)
  const namespace = await cluster.master().createNamespace(request, { signal: context.signal })
  writeResult(context, namespace, `Mounted ${printable(namespace.uri)} at /${name === '/' ? '' : name}`)
}

async function unmount(context: CommandContext, text: string, force: boolean): Promise<void> {
  const name = namespaceOf(text)
  if (name === '/') throw usageError("the root mount is removed with 'ns delete --root'")
  const { cluster } = await openTarget(context, text)
  await cluster.master().deleteNamespace({ name, force }, { signal: context.signal, deadlineMs: longCallMs })
  writeResult(context, { name, unmounted: true }, `Unmounted /${name}`)
}

/**
 * The name as the master is told. @throws SkeinError invalid_argument (usage) for what is neither
 * `/` nor `/name`
 */
function namespaceOf(pathText: string): string {
  const path = asUsage('', () => pathOfText(pathText))
  if (path === '/') return path
  const name = path.replace(/^\/|\/$/g, '')
  if (name.includes('/')) throw usageError(`'${pathText}' is not a mount point: use /name`)
  asUsage('', () => checkNamespaceName(name))
  return name
}
