// Why: a directory cannot have every key that a bucket can. How: one rule, for who writes a file
// there and for who accepts a file that is to be written there later. Pure.
const temporaryPattern = /^\.skein-write-[0-9a-f-]{36}$/
/** NAME_MAX of nearly all file systems. */
const nameBytesMax = 255

/** Whether the name is that of a temporary file, in use or left behind by a crash. */
export function isTemporaryName(name: string): boolean {
  return temporaryPattern.test(name)
}

/** Why no file below a directory can have the key; undefined: one can. */
export function localKeyProblem(key: string): string | undefined {
  if (key === '' || key.endsWith('/')) return 'a directory cannot hold a file without a name'
  if (key.startsWith('/') || key.includes('//')) return 'a directory cannot hold names that are empty'
  const names = key.split('/')
  if (names.some((name) => Buffer.byteLength(name) > nameBytesMax))
    return `a directory cannot hold names of more than ${nameBytesMax} bytes`
  if (names.some(isTemporaryName)) return 'the name is that of a temporary file'
  return undefined
}
