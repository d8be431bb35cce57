// Why: a secret on the command line stands in `ps` and in the shell's history. How: `--secret-file key=path` reads a file (or a
// pipe), `--secret-stdin` lines `key=value` from stdin; one line feed at the end of a file is no part of a secret.
import type { Command } from 'commander'
import { secretBytesMax } from '../base/secret.ts'
import { readText, textLines } from '../base/text-file.ts'
import { usageError } from './exit-codes.ts'
import { pairsOf } from './pairs.ts'

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
      "a secret of the store; may come several times. It stands in ps and in the shell's history: rather use --secret-file",
      collect,
      [],
    )
    .option('--secret-file <key=path>', 'a secret from a file; may come several times', collect, [])
    .option('--secret-stdin', 'secrets from stdin, key=value a line')
}

/** @throws SkeinError invalid_argument (usage) that shows no secret; not_found and failed_precondition for a file */
export async function secretsOf(flags: SecretFlags): Promise<Record<string, string>> {
  const secrets = pairsOf('--secret', flags.secret)
  const add = (key: string, value: string): void => {
    if (secrets[key] !== undefined) throw usageError(`the secret ${key} is given twice`)
    secrets[key] = value
  }
  for (const [key, file] of Object.entries(pairsOf('--secret-file', flags.secretFile))) {
    const text = await readText({ file, name: file, isPipeAllowed: true }, secretBytesMax, usageError)
    add(key, text.replace(/\r?\n$/, ''))
  }
  if (flags.secretStdin !== true) return secrets
  let number = 0
  for await (const line of textLines({ file: '-', name: 'stdin', isPipeAllowed: true }, usageError)) {
    number += 1
    if (line.trim() === '') continue
    const equals = line.indexOf('=')
    if (equals <= 0) throw usageError(`stdin:${number} is not key=value`)
    add(line.slice(0, equals), line.slice(equals + 1))
  }
  return secrets
}
