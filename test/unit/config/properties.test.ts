import { describe, expect, it } from 'vitest'
import { parseProperties } from '../../../src/config/properties.ts'

const pairs = (text: string) => parseProperties(text, 'f').map(({ key, value }) => [key, value])

describe('parseProperties', () => {
  it('reads =, : and blanks as separators, and trims', () => {
    expect(pairs('a=1\nb: 2\nc 3\n  d  =  4  \ne\n')).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
      ['d', '4'],
      ['e', ''],
    ])
  })
  it('leaves out comments and empty lines, and counts lines', () => {
    expect(parseProperties('# c\n\r\n! c\r\nkey=v\n', 'f')).toEqual([{ key: 'key', value: 'v', line: 4 }])
  })
  it('joins continued lines, with the number of the first', () => {
    expect(parseProperties('x=1\npath=/a,\\\n     /b,\\\n  /c\ny=2', 'f')).toEqual([
      { key: 'x', value: '1', line: 1 },
      { key: 'path', value: '/a,/b,/c', line: 2 },
      { key: 'y', value: '2', line: 5 },
    ])
  })
  it('does not continue after an even number of backslashes', () => {
    expect(pairs('a=b\\\\\nc=d')).toEqual([
      ['a', 'b\\'],
      ['c', 'd'],
    ])
  })
  it('undoes escapes in keys and values', () => {
    expect(pairs('a\\=b\\ c=x\\ty\\u00e9\\:')).toEqual([['a=b c', 'x\tyé:']])
  })
  it('keeps = inside a value', () => {
    expect(pairs('k=a=b')).toEqual([['k', 'a=b']])
  })
  it('refuses a broken unicode escape with its line', () => {
    expect(() => parseProperties('ok=1\nbad=\\u12', 'site')).toThrow(/site:2/)
  })
  it('survives a file that ends in a backslash', () => {
    expect(pairs('a=b\\')).toEqual([['a', 'b']])
  })
})
