import * as fc from 'fast-check'
import { matchesGlob } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseGlob } from '../../../src/load/choice/glob.ts'
import { isSelective, nameBelow, selectorOf } from '../../../src/load/choice/selection.ts'

describe('globs', () => {
  it.each([
    ['*.tar', 'a.tar', true],
    ['*.tar', 'deep/below/a.tar', true],
    ['*.tar', 'a.tar.gz', false],
    ['a/*.tar', 'a/x.tar', true],
    ['a/*.tar', 'a/b/x.tar', false],
    ['a/**/x', 'a/x', true],
    ['a/**/x', 'a/b/c/x', true],
    ['a/**/x', 'ab/x', false],
    ['**/x', 'x', true],
    ['**/x', 'a/xx', false],
    ['a/**', 'a/b/c', true],
    ['a/**', 'b/a/c', false],
    ['a/', 'a/b/c', true],
    ['/a/b', 'a/b', true],
    ['part-?', 'part-1', true],
    ['part-?', 'part-', false],
    ['part-[0-3]', 'part-2', true],
    ['part-[!0-3]', 'part-2', false],
    ['part-[]x]', 'part-]', true],
    ['{a,b{1,2}}.x', 'b2.x', true],
    ['{a,b{1,2}}.x', 'b3.x', false],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['', 'x', 'a glob is empty'],
    ['[a', 'x', 'without its'],
    ['{a', 'x', 'without its'],
    ['{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}', 'x', 'more than 100 alternatives'],
  ])('%s on %s: %s', (pattern, name, outcome) => {
    if (typeof outcome === 'string') expect(() => parseGlob(pattern)).toThrow(outcome)
    else expect(parseGlob(pattern)(name)).toBe(outcome)
  })

  it('agrees with Node for patterns of a path', () => {
    const part = fc.constantFrom('a', 'b', '*', '?', '[ab]', 'ab')
    const segment = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''))
    const pattern = fc
      .array(fc.oneof(segment, fc.constant('**')), { minLength: 2, maxLength: 4 })
      .map((parts) => parts.join('/').replaceAll('***', '**'))
    const name = fc
      .array(fc.stringMatching(/^[abc]{1,4}$/), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'))
    fc.assert(
      fc.property(pattern, name, (glob, subject) => {
        // A last `**` is all below, which Node takes to include the directory itself.
        fc.pre(!glob.endsWith('**') && !/\*{2,}[^/]|[^/]\*{2,}/.test(glob))
        expect(parseGlob(glob)(subject)).toBe(matchesGlob(subject, glob))
      }),
      { numRuns: 2000 },
    )
  })

  it('takes time by pattern and name, whatever the pattern', () => {
    const glob = parseGlob(`${'*a'.repeat(200)}b`)
    expect(glob('a'.repeat(1000))).toBe(false)
  })
})

describe('selections', () => {
  const none = { include: [], exclude: [] }
  it('a file must fit everything', () => {
    const selector = selectorOf({
      include: ['*.x', 'keep/'],
      exclude: ['tmp/'],
      sizeMin: 10,
      sizeMax: 20,
      modifiedAfterMs: 100,
      modifiedBeforeMs: 200,
    })
    const fitting = { length: 10, modifiedMs: 100 }
    expect(selector('a/b.x', fitting)).toBe(true)
    expect(selector('keep/b', { length: 20, modifiedMs: 199 })).toBe(true)
    for (const [name, file] of [
      ['a/b.y', fitting],
      ['tmp/b.x', fitting],
      ['b.x', { length: 9, modifiedMs: 100 }],
      ['b.x', { length: 21, modifiedMs: 100 }],
      ['b.x', { length: 10, modifiedMs: 99 }],
      ['b.x', { length: 10, modifiedMs: 200 }],
      ['b.x', { length: 10 }],
    ] as const)
      expect(selector(name, file)).toBe(false)
  })
  it('refuses bounds that leave nothing', () => {
    expect(() => selectorOf({ ...none, sizeMin: 2, sizeMax: 1 })).toThrow('--size-min 2 is above --size-max 1')
    expect(() => selectorOf({ ...none, modifiedAfterMs: 2, modifiedBeforeMs: 2 })).toThrow('must be before')
  })
  it('knows whether it leaves anything out', () => {
    expect([
      isSelective(undefined),
      isSelective(none),
      isSelective({ ...none, exclude: ['x'] }),
      isSelective({ ...none, sizeMin: 0 }),
    ]).toEqual([false, false, true, true])
  })
  it('names files below what is loaded', () => {
    expect(nameBelow('dir', 'dir/a/b')).toBe('a/b')
    expect(nameBelow('dir/', 'dir/a')).toBe('a')
    expect(nameBelow('', 'a/b')).toBe('a/b')
    expect(nameBelow('dir/file', 'dir/file')).toBe('file')
  })
})
