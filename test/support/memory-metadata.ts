// Why: the in-memory file system has the same limits for metadata as a cluster has.
import { SkeinError } from '../../src/base/errors.ts'
import type { ObjectMetadata } from '../../src/client/file-system.ts'

const userMetadataBytesMax = 2048
const clientMetadataBytesMax = 8192

/** @throws SkeinError invalid_argument */
export function checkMetadata({ userMetadata = {}, clientMetadata = {} }: Partial<ObjectMetadata>): void {
  checkMap('user metadata', userMetadata, userMetadataBytesMax)
  checkMap('client metadata', clientMetadata, clientMetadataBytesMax)
}

function checkMap(what: string, map: Readonly<Record<string, string>>, bytesMax: number): void {
  const bytes = Object.entries(map).reduce((sum, [name, text]) => sum + name.length + text.length, 0)
  if (bytes > bytesMax) throw new SkeinError('invalid_argument', `${what} has ${bytes} bytes, ${bytesMax} at most`)
  const bad = Object.entries(map).find(([name, text]) => !/^[!-~]+$/.test(name) || !/^[ -~]*$/.test(text))
  if (bad !== undefined) throw new SkeinError('invalid_argument', `${what} '${bad[0]}' is not printable ASCII`)
}
