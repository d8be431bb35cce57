// Why: a secret must not appear in a message from any source, and the message must stay readable if
// a secret is short or looks like a word. How: every usual encoding of a secret is searched, and
// short ones only as whole words. Secrets below the minimum length are ignored, because they cannot
// be distinguished from normal text. Secrets are not compiled to patterns, so long ones are cheap.
// Pure.

/** Shorter secrets are not searched: their letters occur in every message. */
export const redactedLengthMin = 4
/** Secrets of at least this length are also found inside longer words. */
const anywhereLengthMin = 16
const mark = '[redacted]'

/** Replaces every secret in the text: plain, URL-encoded, in JSON or in base64. */
export function redactSecrets(text: string, secrets: readonly string[]): string {
  const spellings = new Set(secrets.filter((secret) => secret.length >= redactedLengthMin).flatMap(spellingsOf))
  const spans = [...spellings].flatMap((spelling) => spansOf(text, spelling)).toSorted((a, b) => a.from - b.from)
  // Keep what was redacted before.
  const kept = spansIn(text, mark)
  let redacted = ''
  let at = 0
  for (let index = 0; index < spans.length;) {
    const from = spans[index]?.from ?? 0
    let to = spans[index]?.to ?? 0
    // Overlapping matches are replaced together.
    for (index += 1; index < spans.length && (spans[index]?.from ?? to) < to; index += 1)
      to = Math.max(to, spans[index]?.to ?? 0)
    if (kept.some((span) => from >= span.from && to <= span.to)) continue
    redacted += text.slice(at, from) + mark
    at = to
  }
  return redacted + text.slice(at)
}

interface Span {
  readonly from: number
  readonly to: number
}

function spellingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const spellings = [secret, JSON.stringify(secret).slice(1, -1), bytes.toString('base64'), bytes.toString('base64url')]
  return secret.isWellFormed() ? [...spellings, encodeURIComponent(secret)] : spellings
}

function spansOf(text: string, spelling: string): Span[] {
  const spans = spansIn(text, spelling)
  return spelling.length >= anywhereLengthMin ? spans : spans.filter(({ from, to }) => isWhole(text, from, to))
}

function spansIn(text: string, wanted: string): Span[] {
  const spans: Span[] = []
  for (let from = text.indexOf(wanted); from >= 0; from = text.indexOf(wanted, from + wanted.length)) {
    spans.push({ from, to: from + wanted.length })
  }
  return spans
}

/** Whether both ends are word boundaries. */
function isWhole(text: string, from: number, to: number): boolean {
  const cutsBefore = isWordPart(text[from - 1]) && isWordPart(text[from])
  const cutsAfter = isWordPart(text[to]) && isWordPart(text[to - 1])
  return !cutsBefore && !cutsAfter
}

function isWordPart(letter: string | undefined): boolean {
  return letter !== undefined && /[\p{L}\p{N}]/u.test(letter)
}
