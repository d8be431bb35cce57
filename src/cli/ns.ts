// Why: `skein ns create | ls | stat | delete`. Secrets go straight into the request and nowhere else.
import type { Command } from 'commander'
import { checkNamespaceName } from '../base/paths.ts'
import { toSkeinError } from '../base/errors.ts'
import { type CommandContext, openCluster, writeResult } from './context.ts'
import { usageError } from './exit-codes.ts'
import { namespaceListText, namespaceStatText } from './format-namespace.ts'

interface CreateFlags {
  readonly secret: readonly string[]
  readonly attribute: readonly string[]
}

export function addCommands(parent: Command, context: CommandContext): void {
  const collect = (pair: string, pairs: readonly string[]): string[] => [...pairs, pair]
  parent
    .command('create')
    .description('make a bucket or directory known as /NAME; checks that it answers')
    .argument('<name>')
    .argument('<uri>', 'cosn://bucket-appid/prefix, s3://bucket/prefix or file:///dir')
    .option('--secret <key=value>', 'a secret of the store; may come several times', collect, [])
    .option('--attribute <key=value>', 'how to reach the store; may come several times', collect, [])
    .action(async (name: string, uri: string, flags: CreateFlags) => create(context, name, uri, flags))
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
    .description('show a namespace; values of secrets are never shown')
    .argument('<name>')
    .action(async (text: string) => {
      const name = nameOf(text)
      const cluster = await openCluster(context)
      const namespace = await cluster.master().getNamespace({ name }, { signal: context.signal })
      writeResult(context, namespace, namespaceStatText(namespace))
    })
  parent
    .command('delete')
    .description('forget a namespace and drop what is cached of it; the store is not touched')
    .argument('<name>')
    .action(async (text: string) => {
      const name = nameOf(text)
      const cluster = await openCluster(context)
      await cluster.master().deleteNamespace({ name }, { signal: context.signal })
      writeResult(context, { deleted: name }, `Namespace ${name} was deleted.`)
    })
}

async function create(context: CommandContext, text: string, uri: string, flags: CreateFlags): Promise<void> {
  const name = nameOf(text)
  const request = { name, uri, secrets: pairsOf('--secret', flags.secret), attributes: pairsOf('--attribute', flags.attribute) }
  const cluster = await openCluster(context)
  const namespace = await cluster.master().createNamespace(request, { signal: context.signal })
  writeResult(context, namespace, `Namespace ${name} was created: /${name} is ${namespace.uri}`)
}

/** `/name` and `name` are the same. @throws SkeinError invalid_argument (usage) */
function nameOf(text: string): string {
  const name = text.replace(/^\//, '')
  try {
    checkNamespaceName(name)
  } catch (thrown) {
    throw usageError(toSkeinError(thrown).message)
  }
  return name
}

/** @throws SkeinError invalid_argument (usage) that never shows the text, which may be a secret */
function pairsOf(option: string, pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair, index) => {
      const equals = pair.indexOf('=')
      if (equals <= 0) throw usageError(`${option} number ${index + 1} is not key=value`)
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    }),
  )
}
