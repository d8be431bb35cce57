// Why: a secret that was typed on the command line must not come back in an error, whoever wrote the message. Pure.
import { definitionOf } from '../config/schema.ts'

/** The secret values among the arguments: of `--secret k=v` and of -D keys that are secrets. */
export function secretsIn(argv: readonly string[]): string[] {
  return argv.flatMap((word, index) => {
    const before = argv[index - 1]
    const secretPair = before === '--secret' ? word : /^--secret=(.*)$/s.exec(word)?.[1]
    if (secretPair !== undefined) return [secretPair.slice(secretPair.indexOf('=') + 1)]
    const definition = before === '-D' ? word : /^-D(.+)$/s.exec(word)?.[1]
    const [key, ...value] = definition?.split('=') ?? []
    return key !== undefined && definitionOf(key.trim())?.kind === 'secret' ? [value.join('=')] : []
  })
}

/** The text with every secret gone, as it is, URL-encoded or in base64. */
export function redact(text: string, secrets: readonly string[]): string {
  const forms = secrets
    .filter((secret) => secret.length > 0)
    .flatMap((secret) => [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')])
    // One that holds another goes as a whole.
    .toSorted((a, b) => b.length - a.length)
  if (forms.length === 0) return text
  // What was redacted already stays as it is.
  const patterns = ['[redacted]', ...forms].map((form) => form.replaceAll(/[$()*+.?[\\\]^{|}/-]/g, String.raw`\$&`))
  return text.replaceAll(new RegExp(patterns.join('|'), 'g'), '[redacted]')
}
