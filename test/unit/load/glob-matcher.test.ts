// Why: the matcher leaves out places that cannot matter, and must still say what trying everything
// says. How: random tokens and names against a matcher that tries everything, and a pattern that
// makes such a matcher slow.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { matcherOf, slash, type Token } from '../../../src/load/choice/glob-matcher.ts'

const literal = (character: string): Token => ({ kind: 'one', accepts: (code) => code === character.charCodeAt(0) })
const parts: Readonly<Record<string, readonly Token[]>> = {
  a: [literal('a')],
  b: [literal('b')],
  '/': [literal('/')],
  '?': [{ kind: 'one', accepts: (code) => code !== slash }],
  '*': [{ kind: 'some' }],
  '**': [{ kind: 'rest' }],
  '**/': [{ kind: 'directories' }, { kind: 'within' }],
}

/** Tries everything. */
function fits(tokens: readonly Token[], name: string): boolean {
  const [token, ...rest] = tokens
  if (token === undefined) return name === ''
  const cuts = Array.from({ length: name.length + 1 }, (_, at) => at)
  if (token.kind === 'one') return name !== '' && token.accepts(name.charCodeAt(0)) && fits(rest, name.slice(1))
  if (token.kind === 'some') return cuts.some((at) => !name.slice(0, at).includes('/') && fits(rest, name.slice(at)))
  if (token.kind === 'rest') return cuts.some((at) => fits(rest, name.slice(at)))
  return fits(rest.slice(1), name) || cuts.some((at) => name[at - 1] === '/' && fits(rest.slice(1), name.slice(at)))
}

describe('a matcher', () => {
  it('says what trying everything says', () => {
    const pattern = fc.array(fc.constantFrom(...Object.keys(parts)), { maxLength: 7 })
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 7 })
    fc.assert(
      fc.property(pattern, name, (words, subject) => {
        const tokens = words.flatMap((word) => parts[word] ?? [])
        expect(matcherOf(tokens)(subject), `${words.join('')} ${subject}`).toBe(fits(tokens, subject))
      }),
      { numRuns: 3000 },
    )
  })

  it('can be asked again', () => {
    const matches = matcherOf([...(parts['a'] ?? []), ...(parts['*'] ?? [])])
    expect(['ab', 'b', 'a', '', 'a/', 'abc'].map(matches)).toEqual([true, false, true, false, false, true])
  })
})
