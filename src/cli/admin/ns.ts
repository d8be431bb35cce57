// Why: `skein ns create | ls | stat | update | delete`. Secrets go straight into the request and
// nowhere else.
import type { Command } from 'commander'
import { checkNamespaceName } from '../../base/paths.ts'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'
import { asUsage, usageError } from '../frame/exit-codes.ts'
import { namespaceListText, namespaceStatText } from '../format/format-namespace.ts'
import { longCallMs } from '../frame/long-call.ts'
import { pairsOf } from '../frame/pairs.ts'
import { type SecretFlags, secretsOf, withSecrets } from '../frame/secret-sources.ts'
import { namespaceKeysText } from '../frame/namespace-keys.ts'
import { notEmpty, positiveDurationMs } from '../frame/numbers.ts'
import { suggested } from '../frame/suggested.ts'

interface TtlFlags {
  readonly ttl?: string
  readonly ttlAction?: string
}
interface RootFlags {
  readonly root?: true
}
interface CreateFlags extends TtlFlags, SecretFlags, RootFlags {
  readonly attribute: readonly string[]
  readonly readonly?: true
}
interface UpdateFlags extends Omit<CreateFlags, 'readonly'> {
  readonly removeAttribute: readonly string[]
}

export function addCommands(parent: Command, context: CommandContext): void {
  const collect = (pair: string, pairs: readonly string[]): string[] => [...pairs, pair]
  const createCommand = withSecrets(parent.command('create'))
    .description('mount a bucket or directory at /NAME, or with --root at /; checks that the store responds')
    .argument('[name]', 'not with --root')
    .argument('[uri]', 'cosn://bucket-appid/prefix, s3://bucket/prefix or file:///dir')
    .option('--root', 'mount it at /, beside the namespaces: the root mount')
    .option('--attribute <key=value>', 'attribute of the namespace; repeatable', collect, [])
    .option('--readonly', 'refuse writes to the store: same as --attribute readOnly=true')
    .option('--shared', 'accepted: every namespace is for all users')
    .option('--ttl <duration>', 'TTL of each file in the namespace, such as 2d')
    .addHelpText('after', namespaceKeysText)
    .option('--ttl-action <action>', 'free: drop the cached copy (default); delete: also delete the file at the store')
    .action(async (name: string | undefined, uri: string | undefined, flags: CreateFlags) =>
      create(context, [name, uri], flags),
    )
  parent
    .command('ls')
    .description('list the namespaces')
    .action(async () => {
      const cluster = await openCluster(context)
      const { namespaces } = await cluster.master().listNamespaces({}, { signal: context.signal })
      writeResult(context, { namespaces }, namespaceListText(namespaces))
    })
  parent
    .command('stat')
    .description('show a namespace; secret values are hidden')
    .argument('[name]')
    .option('--root', 'the root mount')
    .action(async (text: string | undefined, flags: RootFlags) => {
      const name = chosenName(text, flags)
      const cluster = await openCluster(context)
      const namespace = await cluster.master().getNamespace({ name }, { signal: context.signal })
      writeResult(context, namespace, namespaceStatText(namespace))
    })
  const updateCommand = withSecrets(parent.command('update'))
    .description('change a namespace; other settings and cached data stay')
    .argument('[name]')
    .option('--root', 'the root mount')
    .option('--attribute <key=value>', 'attribute to add or change; repeatable', collect, [])
    .option('--remove-attribute <key>', 'attribute to remove; repeatable', collect, [])
    .option('--ttl <duration>', 'TTL of each file in the namespace, from now on; none: no TTL')
    .addHelpText('after', namespaceKeysText)
    .option('--ttl-action <action>', 'free: drop the cached copy; delete: also delete the file at the store')
    .action(async (name: string | undefined, flags: UpdateFlags) => update(context, name, flags))
  for (const command of [createCommand, updateCommand]) suggested(command, '--ttl-action', ['free', 'delete'])
  const ttlCommand = parent
    .command('setTtl')
    .description('set the TTL of each file in a namespace: same as update --ttl')
    .argument('<name>')
    .argument('<duration>', 'TTL such as 10m or 2d; without a unit, milliseconds')
    .option('--action <action>', 'free: drop the cached copy; delete: also delete the file at the store')
    .action(async (name: string, ttl: string, { action }: { action?: string }) =>
      update(context, name, {
        ...noChange,
        ttl: String(positiveDurationMs('the TTL', ttl)),
        ...(action === undefined ? {} : { ttlAction: actionOf('--action', action) }),
      }),
    )
  suggested(ttlCommand, '--action', ['free', 'delete'])
  parent
    .command('unsetTtl')
    .description('remove the TTL of a namespace: same as update --ttl none')
    .argument('<name>')
    .action(async (name: string) => update(context, name, { ...noChange, ttl: 'none' }))
  parent
    .command('delete')
    .description('unmount a namespace and drop its cached data; the store does not change')
    .argument('[name]')
    .option('--root', 'the root mount')
    .option('-f, --force', 'also if files are not yet written to the store; these files are lost')
    .action(async (text: string | undefined, flags: RootFlags & { force?: true }) => {
      const name = chosenName(text, flags)
      const cluster = await openCluster(context)
      const call = { signal: context.signal, deadlineMs: longCallMs }
      await cluster.master().deleteNamespace({ name, force: flags.force === true }, call)
      writeResult(context, { name, deleted: true }, `${titleOf(name)} was deleted.`)
    })
}

const noChange: UpdateFlags = { attribute: [], removeAttribute: [], secret: [], secretFile: [] }

async function create(
  context: CommandContext,
  words: readonly (string | undefined)[],
  flags: CreateFlags,
): Promise<void> {
  const [text, uri] = flags.root === true && words[1] === undefined ? [undefined, words[0]] : words
  const name = chosenName(text, flags)
  if (uri === undefined) throw usageError('the URI is missing, such as cosn://bucket-appid/prefix')
  const ttl = ttlOf(flags)
  if (ttl.ttlMs === undefined && ttl.ttlAction !== undefined) throw usageError('--ttl-action needs --ttl')
  const request = {
    name,
    uri,
    secrets: await secretsOf(context, flags),
    attributes: {
      ...(flags.readonly === true ? { readOnly: 'true' } : {}),
      ...pairsOf('--attribute', flags.attribute),
    },
    ...ttl,
  }
  const cluster = await openCluster(context)
  const namespace = await cluster.master().createNamespace(request, { signal: context.signal })
  const path = name === rootName ? '/' : `/${name}`
  const hidden = namespace.hides === true ? `. It hides what the root mount has at ${path}` : ''
  writeResult(context, namespace, `${titleOf(name)} was created: ${path} is ${namespace.uri}${hidden}`)
}

async function update(context: CommandContext, text: string | undefined, flags: UpdateFlags): Promise<void> {
  const name = chosenName(text, flags)
  const { secret, secretFile, secretStdin, attribute, removeAttribute } = flags
  const ttl = ttlOf(flags)
  const isEmpty =
    secretStdin !== true &&
    secret.length + secretFile.length + attribute.length + removeAttribute.length === 0 &&
    ttl.ttlMs === undefined &&
    ttl.ttlAction === undefined
  if (isEmpty) throw usageError('no change given: use --attribute, --remove-attribute, --secret, --ttl or --ttl-action')
  const request = {
    name,
    secrets: await secretsOf(context, flags),
    attributes: pairsOf('--attribute', attribute),
    removedAttributes: removeAttribute.map((key) => notEmpty('--remove-attribute', key)),
    ttlAction: '',
    ...ttl,
  }
  const cluster = await openCluster(context)
  const namespace = await cluster.master().updateNamespace(request, { signal: context.signal, deadlineMs: longCallMs })
  const { waitingFiles: waiting = 0 } = namespace
  const files = waiting === 1 ? '1 file is' : `${waiting} files are`
  const wait =
    waiting === 0
      ? ''
      : ` ${files} not yet written to the store. They are written when the namespace is writable again.`
  writeResult(context, namespace, `${titleOf(name)} was updated.${wait}`)
}

/** `--ttl none` is 0. @throws SkeinError invalid_argument (usage) */
function ttlOf({ ttl, ttlAction }: TtlFlags): { ttlMs?: number; ttlAction?: string } {
  const action = ttlAction === undefined ? undefined : actionOf('--ttl-action', ttlAction)
  if (ttl === 'none' && action !== undefined) throw usageError('--ttl none and --ttl-action cannot be combined')
  const ttlMs = ttl === undefined ? undefined : ttl === 'none' ? 0 : positiveDurationMs('--ttl', ttl)
  return { ...(ttlMs === undefined ? {} : { ttlMs }), ...(action === undefined ? {} : { ttlAction: action }) }
}

/** @throws SkeinError invalid_argument (usage) naming the option */
function actionOf(option: string, text: string): string {
  const action = text.toUpperCase()
  if (action !== 'FREE' && action !== 'DELETE') throw usageError(`${option} must be free or delete, not '${text}'`)
  return action
}

/** As the master is told. */
const rootName = '/'

/** @throws SkeinError invalid_argument (usage) */
function chosenName(text: string | undefined, { root }: RootFlags): string {
  if (root === true && text !== undefined)
    throw usageError(`'${text}' and --root cannot be combined: the root mount has no name`)
  if (root === true) return rootName
  if (text === undefined) throw usageError('the name of the namespace is missing')
  return nameOf(text)
}

function titleOf(name: string): string {
  return name === rootName ? 'The root mount' : `Namespace ${name}`
}

/** `/name` and `name` are the same. @throws SkeinError invalid_argument (usage) */
export function nameOf(text: string): string {
  const name = text.replace(/^\//, '')
  asUsage('', () => checkNamespaceName(name))
  return name
}
