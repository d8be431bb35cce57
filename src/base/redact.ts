// Why: a secret must not come back in a message, whoever wrote it, and a message must stay readable
// when a secret is short or looks like a word. How: every usual spelling of a secret is searched
// for, as a whole word where it is short; what is shorter than a word is no secret that could be
// told from the text. No pattern is built of secrets, so their length costs nothing. Pure.

/** Shorter secrets are not searched for: their letters are in every message. */
export const redactedLengthMin = 4
/** From this length on a secret is found within longer words, too. */
const anywhereLengthMin = 16
const mark = '[redacted]'

/** The text with every secret gone: as it is, URL-encoded, in JSON or in base64. */
export function redactSecrets(text: string, secrets: readonly string[]): string {
  const spellings = new Set(secrets.filter((secret) => secret.length >= redactedLengthMin).flatMap(spellingsOf))
  const spans = [...spellings].flatMap((spelling) => spansOf(text, spelling)).toSorted((a, b) => a.from - b.from)
  // What was redacted already stays as it is.
  const kept = spansIn(text, mark)
  let redacted = ''
  let at = 0
  for (let index = 0; index < spans.length;) {
    const from = spans[index]?.from ?? 0
    let to = spans[index]?.to ?? 0
    // Spellings that overlap go as a whole.
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

/** Whether neither end is in the middle of a word. */
function isWhole(text: string, from: number, to: number): boolean {
  const cutsBefore = isWordPart(text[from - 1]) && isWordPart(text[from])
  const cutsAfter = isWordPart(text[to]) && isWordPart(text[to - 1])
  return !cutsBefore && !cutsAfter
}

function isWordPart(letter: string | undefined): boolean {
  return letter !== undefined && /[\p{L}\p{N}]/u.test(letter)
}
