// Why: whatever a caller sends, a role refuses it or takes it, and goes on. How: a good message,
// with some of its parts replaced by values that have broken services before: too long, no text at
// all, no number, beyond safe integers, names of prototypes.
import * as fc from 'fast-check'

const deep = (): unknown => {
  let value: unknown = []
  for (let level = 0; level < 2000; level += 1) value = [value]
  return value
}

/** A value that a field was not made for. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      '',
      '/',
      '//',
      '.',
      '..',
      'a/../b',
      'a\0b',
      '\ud800',
      'x\udfff',
      '__proto__',
      'constructor',
      '-1',
      '9'.repeat(400),
    ],
    ...[
      0,
      -0,
      -1,
      0.5,
      1,
      2 ** 31,
      2 ** 32,
      2 ** 33,
      2 ** 53 - 1,
      2 ** 53,
      1e308,
      -1e308,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ],
    ...[
      undefined,
      null,
      true,
      false,
      {},
      [],
      [[]],
      [undefined],
      { length: 3 },
      new Uint8Array(3),
      new Map(),
      new Date(0),
      5n,
    ],
  ),
  fc.constantFrom(200, 801, 1025, 1979, 2100, 70_000).map((length) => 'k'.repeat(length)),
  fc.constantFrom(300, 700, 1000).map((length) => '\u{1F600}'.repeat(length)),
  fc.constantFrom(1000, 1979).map((length) => `${'d/'.repeat(length / 2)}x`),
  fc.constant(0).map(() => JSON.parse('{"__proto__":"x","a":{"__proto__":{"b":1}}}') as unknown),
  fc.constant(0).map(deep),
  fc.integer({ min: -5, max: 2 ** 53 - 1 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

/** Which part of a message is replaced (by the steps of a walk from its root), and by what. */
export const hostileEdit = fc.record({
  steps: fc.array(fc.nat(1000), { minLength: 1, maxLength: 4 }),
  value: hostileValue,
})
export type HostileEdit = typeof hostileEdit extends fc.Arbitrary<infer Edit> ? Edit : never

/** A copy of a message with the edits made; fields named in `kept` stay. */
export function edited<Message extends object>(
  message: Message,
  edits: readonly HostileEdit[],
  kept: readonly string[] = [],
): Message {
  const copy = structuredClone(message)
  for (const { steps, value } of edits) {
    let at = copy as Record<string, unknown>
    for (const [index, step] of steps.entries()) {
      const names = Object.keys(at).filter((name) => index > 0 || !kept.includes(name))
      const name = names[step % Math.max(1, names.length)]
      if (name === undefined) break
      const inner = at[name]
      if (index < steps.length - 1 && typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0) {
        at = inner as Record<string, unknown>
        continue
      }
      if (at instanceof Uint8Array) break
      at[name] = value
      break
    }
  }
  return copy
}
