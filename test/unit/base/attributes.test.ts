// Why: what may be an owner, a mode or metadata is decided once, before the journal and at every
// request. How: values at the limits, and beyond them.
import { describe, expect, it } from 'vitest'
import { clientMetadataMap } from '../../../src/base/attributes/door-metadata.ts'
import {
  contentTypeText,
  isSameMetadata,
  storedMetadata,
  userMetadataMap,
} from '../../../src/base/attributes/object-metadata.ts'
import { changedOwnership, modeBits, ownerName, shownOwnership } from '../../../src/base/attributes/ownership.ts'

describe('the name of an owner', () => {
  it.each(['a', 'x'.repeat(255), 'Änne', 'user@EXAMPLE.COM', 'with blank', '1000'])('%j is one', (name) => {
    expect(ownerName(name)).toBeUndefined()
  })
  it.each([
    ['', ' is empty'],
    ['x'.repeat(256), ' is longer than 255 characters'],
    ['a:b', ' has a colon or a control character'],
    ['a\nb', ' has a colon or a control character'],
    ['a\u0085', ' has a colon or a control character'],
    ['\ud800', ' is not well-formed Unicode'],
    [5, ' is not a text'],
  ])('%j is none', (name, problem) => {
    expect(ownerName(name)).toBe(problem)
  })
  it('comes with 12 permission bits', () => {
    expect([0, 0o7777].map(modeBits)).toEqual([undefined, undefined])
    for (const mode of [-1, 0o10000, 1.5, '644', -0]) expect(modeBits(mode)).toBeDefined()
  })
})

describe('a change of owner, group or mode', () => {
  it('keeps what it does not name, and the bits outside its mask', () => {
    const set = { owner: 'a', mode: 0o640 }
    expect(changedOwnership('file', set, { group: 'g' })).toEqual({ owner: 'a', group: 'g', mode: 0o640 })
    expect(changedOwnership('file', set, { mode: 0o100, modeMask: 0o120 })).toEqual({ owner: 'a', mode: 0o740 })
    expect(changedOwnership('directory', {}, { mode: 0, modeMask: 0o022 })).toEqual({ mode: 0o755 })
  })
  it('is none when it says what is shown', () => {
    const set = { mode: 0o600 }
    expect(changedOwnership('file', set, { owner: 'skein', group: 'skein', mode: 0o600 })).toBe(set)
    expect(changedOwnership('file', set, {})).toBe(set)
    expect(shownOwnership('directory', {})).toEqual({ owner: 'skein', group: 'skein', mode: 0o777 })
  })
})

describe('metadata of a client', () => {
  it.each<Record<string, string>>([{}, { etag: '' }, { 'x-1': ' a ' }, { n: 'v'.repeat(8191) }])(
    '%j is taken',
    (map) => {
      expect(clientMetadataMap(map)).toBeUndefined()
    },
  )
  it.each<[unknown, RegExp]>([
    [{ n: 'v'.repeat(8192) }, /8192 bytes/],
    [{ Upper: 'x' }, /no name of client metadata/],
    [{ a_b: 'x' }, /no name of client metadata/],
    [JSON.parse('{"__proto__":"x"}'), /no name/],
    [{ a: 'x\ny' }, /printable ASCII/],
    [{ a: 'ü' }, /printable ASCII/],
    [{ a: 5 }, /not a text/],
    [null, /not a map/],
  ])('%j is refused', (map, problem) => {
    expect(clientMetadataMap(map)).toMatch(problem)
  })
})

describe('metadata of an object', () => {
  it.each<Record<string, string>>([{}, { a: '' }, { 'x-y_z.1': 'a b' }, { n: 'v'.repeat(2047) }, { constructor: 'x' }])(
    '%j is taken',
    (map) => {
      expect(userMetadataMap(map)).toBeUndefined()
    },
  )
  it.each<[unknown, RegExp]>([
    [{ n: 'v'.repeat(2048) }, /2048 bytes/],
    [{ Upper: 'x' }, /no name of metadata/],
    [{ '': 'x' }, /no name of metadata/],
    [{ 'a b': 'x' }, /no name of metadata/],
    [JSON.parse('{"__proto__":"x"}'), /no name/],
    [{ a: 'x\ny' }, /printable ASCII/],
    [{ a: ' x' }, /printable ASCII/],
    [{ a: 'ü' }, /printable ASCII/],
    [{ a: 5 }, /not a text/],
    [new Map(), /not a map/],
    [null, /not a map/],
  ])('%j is refused', (map, problem) => {
    expect(userMetadataMap(map)).toMatch(problem)
  })
  it('has a type of at most 255 printable ASCII characters', () => {
    for (const type of ['', 'text/plain; charset=utf-8', 'x'.repeat(255)]) expect(contentTypeText(type)).toBeUndefined()
    for (const type of ['x'.repeat(256), 'a\r\nb', 'tëxt', 5]) expect(contentTypeText(type)).toBeDefined()
  })
  it('is compared without the types that stores answer for objects without one', () => {
    expect(storedMetadata({ contentType: '', userMetadata: {} })).toEqual({})
    expect(isSameMetadata({}, { contentType: 'binary/octet-stream' })).toBe(true)
    expect(isSameMetadata({ contentType: 'application/octet-stream' }, {})).toBe(true)
    expect(isSameMetadata({ contentType: 'text/plain' }, {})).toBe(false)
    expect(isSameMetadata({ userMetadata: { a: '1' } }, { userMetadata: { a: '1' } })).toBe(true)
    expect(isSameMetadata({ userMetadata: { a: '1' } }, { userMetadata: { b: '1' } })).toBe(false)
    expect(isSameMetadata({ userMetadata: { constructor: '1' } }, { userMetadata: { b: '1' } })).toBe(false)
    expect(isSameMetadata({}, { userMetadata: { a: '1' } })).toBe(false)
  })
})
