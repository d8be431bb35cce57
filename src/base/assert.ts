// Why: programmer errors stop the operation in production too; user errors never come through here.

/** Throws a plain Error (never a SkeinError) when `condition` is false. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/**
 * For the default branch of a switch over a union: a compile error when a member is not handled.
 */
export function assertNever(value: never): never {
  throw new Error(`assertion failed: unexpected value ${JSON.stringify(value)}`)
}
