import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { redactSecrets } from '../../../src/base/redact.ts'

it.each([
  ['a secret of one letter leaves the words alone', 'bucket administration', ['a', 'b'], 'bucket administration'],
  ['one of three, too', 'bucket administration', ['adm'], 'bucket administration'],
  ['a secret that begins a word leaves the word alone', 'bucket administration', ['admi'], 'bucket administration'],
  ['one that is a word goes', 'user admin, "admin"', ['admin'], 'user [redacted], "[redacted]"'],
  ['a long one goes wherever it is', 'xAKIDAKIDAKIDAKIDAKIDy', ['AKIDAKIDAKIDAKIDAKID'], 'x[redacted]y'],
  ['those that overlap go as a whole', 'key-one-two end', ['key-one', 'one-two'], '[redacted] end'],
  ['what is redacted stays', '[redacted] redacted', ['redacted'], '[redacted] [redacted]'],
  ['nothing is a pattern', 'a.c+d abcd', ['a.c+d'], '[redacted] abcd'],
  ['half a surrogate is no reason to fail', 'pass\ud800word', ['pass\ud800word'], '[redacted]'],
])('%s', (_name, text, secrets, expected) => {
  expect(redactSecrets(text, secrets)).toBe(expected)
})

it('takes out a secret of any length, in every spelling', () => {
  const secret = fc.string({ minLength: 16, maxLength: 60, unit: 'grapheme' })
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
      const bytes = Buffer.from(value)
      for (const spelling of [
        value,
        encodeURIComponent(value),
        bytes.toString('base64'),
        JSON.stringify(value).slice(1, -1),
      ])
        expect(redactSecrets(before + spelling + after, [value])).not.toContain(spelling)
    }),
  )
  const long = '(a+)+{'.repeat(100_000)
  expect(redactSecrets(`said ${long}!`, [long])).toBe('said [redacted]!')
})
