// What programs give to `connect` is checked before anything is read or connected.
import { expect, it } from 'vitest'
import { connect } from '../../../src/client/library.ts'

it.each([
  null,
  'localhost:9200',
  { master: 9200 },
  { masters: ['localhost:9200'] },
  { home: {} },
  { properties: ['a'] },
  { properties: { 'skein.user.read.ahead.memory': 64 } },
  { properties: { 'no.such.key': 'x' } },
  { properties: { 'skein.user.opened.file.age': 'soon' } },
])('refuses %o', (options) => {
  expect(() => connect(options as object)).toThrow(
    expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(/^[^\n]+$/) }),
  )
})
