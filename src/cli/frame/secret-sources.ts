// Why: a secret on the command line stands in `ps` and in the shell's history. How: `--secret-file
// key=path` reads a file (or a pipe), `--secret-stdin` lines `key=value` from stdin; one line feed
// at the end of a file is no part of a secret. What was read is told to the context before anything
// is said of it, so that no error shows it.
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { secretBytesMax } from '../../base/secret.ts'
import { readText, textLines } from '../../base/files/text-file.ts'
import type { CommandContext } from './context.ts'
import { usageError } from './exit-codes.ts'
import { pairsOf } from './pairs.ts'
import { printable } from './printable.ts'
import { secretsOfPair } from './redact-streams.ts'

/** A byte order mark, CR and LF. */
const lineEndBytes = 5
/** More than any store has. */
const secretsMax = 100

type SecretContext = Pick<CommandContext, 'io' | 'onSecret'>

export interface SecretFlags {
  readonly secret: readonly string[]
  readonly secretFile: readonly string[]
  readonly secretStdin?: true
}

const collect = (pair: string, pairs: readonly string[]): string[] => [...pairs, pair]

/** Adds the three ways to give a secret. */
export function withSecrets(command: Command): Command {
  return command
    .option(
      '--secret <key=value>',
      "secret of the store; repeatable. Visible in ps and in the shell's history: prefer --secret-file",
      collect,
      [],
    )
    .option('--secret-file <key=path>', 'secret from a file; repeatable', collect, [])
    .option('--secret-stdin', 'secrets from stdin, one key=value per line')
}

/**
 * @throws SkeinError invalid_argument (usage) that shows no secret; not_found and
 *   failed_precondition for a file
 */
export async function secretsOf(context: SecretContext, flags: SecretFlags): Promise<Record<string, string>> {
  const secrets = pairsOf('--secret', flags.secret)
  const add = (key: string, value: string): void => {
    if (Object.hasOwn(secrets, key)) throw usageError(`the secret ${key} is given twice`)
    secrets[key] = value
  }
  for (const [key, file] of pairsOfFiles(flags.secretFile)) {
    const value = await secretInFile(context, file)
    if (await isOpenToOthers(file))
      context.io.stderr(`skein: warning: ${printable(file)} is readable by other users; run chmod 600 on it\n`)
    add(key, value)
  }
  if (flags.secretStdin === true) for (const [key, value] of await secretsInStdin(context)) add(key, value)
  return secrets
}

function pairsOfFiles(pairs: readonly string[]): [string, string][] {
  return pairs.flatMap((pair) => Object.entries(pairsOf('--secret-file', [pair])))
}

async function secretInFile(context: SecretContext, file: string): Promise<string> {
  const text = await readText({ file, name: file, isPipeAllowed: true }, secretBytesMax + lineEndBytes, usageError)
  const value = text.replace(/\r?\n$/, '')
  context.onSecret(value)
  if (value === '') throw usageError(`${file} is empty`)
  if (Buffer.byteLength(value) > secretBytesMax) throw usageError(`${file} is longer than ${secretBytesMax} bytes`)
  return value
}

/** A pipe has no owner to speak of. */
async function isOpenToOthers(file: string): Promise<boolean> {
  const about = await stat(file).catch(() => undefined)
  return about?.isFile() === true && (about.mode & 0o044) !== 0
}

async function secretsInStdin(context: SecretContext): Promise<[string, string][]> {
  if (process.stdin.isTTY)
    throw usageError('stdin is a terminal, which shows the input: use a pipe or a file with --secret-stdin')
  const found: [string, string][] = []
  let number = 0
  for await (const line of textLines({ file: '-', name: 'stdin', isPipeAllowed: true }, usageError)) {
    number += 1
    if (line.trim() === '') continue
    for (const secret of secretsOfPair(line)) context.onSecret(secret)
    const equals = line.indexOf('=')
    if (equals <= 0) throw usageError(`stdin:${number} is not key=value`)
    const [key, value] = [line.slice(0, equals), line.slice(equals + 1)]
    if (value === '') throw usageError(`stdin:${number}: the secret ${printable(key)} is empty`)
    if (Buffer.byteLength(value) > secretBytesMax)
      throw usageError(`stdin:${number}: the secret ${printable(key)} is longer than ${secretBytesMax} bytes`)
    if (found.length === secretsMax) throw usageError(`stdin has more than ${secretsMax} secrets`)
    found.push([key, value])
  }
  if (found.length === 0) throw usageError('stdin has no secret: write one key=value per line')
  return found
}
