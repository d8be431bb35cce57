// Why: permission bits are written in two ways, `755` and `rwxr-xr-x`, and changed in a third,
// `u+x,g-w`. How: pure functions, as in chmod(1) of POSIX and in `ls -l`. A symbolic mode becomes
// bits and a mask, so that one request fits files of different modes.
import { usageError } from '../frame/exit-codes.ts'

export interface ModeChange {
  readonly mode: number
  /** Only these bits are changed. Not given: all. */
  readonly modeMask?: number
}

/** Of each class: read, write and execute, and the bit that `s` means for it. */
const classes: Readonly<Record<string, { readonly bits: number; readonly special: number }>> = {
  u: { bits: 0o700, special: 0o4000 },
  g: { bits: 0o070, special: 0o2000 },
  o: { bits: 0o007, special: 0 },
}
const permissions: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 }
const sticky = 0o1000

/** 0o644 of a file -> `-rw-r--r--`; set-user-ID, set-group-ID and sticky bit as `ls` does. */
export function formatMode(mode: number, folder: boolean): string {
  const bits = Array.from('rwxrwxrwx', (letter, index) => ((mode >> (8 - index)) & 1 ? letter : '-'))
  const specials = [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [sticky, 8, 't'],
  ] as const
  for (const [bit, at, letter] of specials)
    if ((mode & bit) !== 0) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase()
  return (folder ? 'd' : '-') + bits.join('')
}

/**
 * `755`, `0644` or `u+x,g-w`; without u, g, o or a it is all three.
 * @throws SkeinError invalid_argument (usage)
 */
export function parseMode(text: string): ModeChange {
  if (/^0?[0-7]{1,4}$/.test(text)) return { mode: Number.parseInt(text, 8) }
  let mode = 0
  let modeMask = 0
  for (const clause of text.split(',')) {
    const [, who = '', actions = ''] = /^([ugoa]*)((?:=[rwxst]*|[+-][rwxst]+)+)$/.exec(clause) ?? []
    if (actions === '')
      throw usageError(`the mode must be octal such as 644, or symbolic such as u+x,g-w, not '${text}'`)
    const wanted = Object.entries(classes).filter(([name]) => who === '' || who.includes('a') || who.includes(name))
    const isOther = wanted.some(([name]) => name === 'o')
    for (const [action = '', sign, letters = ''] of actions.matchAll(/([+=-])([rwxst]*)/g)) {
      const all = wanted.reduce((sum, [, { bits, special }]) => sum | bits | special, 0)
      const bits =
        wanted.reduce(
          (sum, [, one]) => sum | (lettersBits(action) & one.bits) | (letters.includes('s') ? one.special : 0),
          0,
        ) | (letters.includes('t') && isOther ? sticky : 0)
      const touched = sign === '=' ? all | bits : bits
      modeMask |= touched
      mode = (mode & ~touched) | (sign === '-' ? 0 : bits)
    }
  }
  return { mode, modeMask }
}

function lettersBits(letters: string): number {
  return Object.entries(permissions).reduce((sum, [letter, bits]) => sum | (letters.includes(letter) ? bits : 0), 0)
}
