// Why: a programmer error stops the operation, in production too. User errors never use this file.

/** Throws a plain Error (never a SkeinError) when `condition` is false. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/** For the default branch of a switch over a union: unhandled members are a compile error. */
export function assertNever(value: never): never {
  throw new Error(`assertion failed: unexpected value ${JSON.stringify(value)}`)
}
