// Why: what a client of GooseFS says of a file that it begins or ends is said in other words here.
// How: pure translations, checked. Values: WritePType, PMode and ChecksumType of GooseFS's
// protocol.
import { type ClientMetadata } from '../../base/attributes/door-metadata.ts'
import { ownerName } from '../../base/attributes/ownership.ts'
import type { WritePolicy } from '../../base/attributes/write-policy.ts'
import { SkeinError } from '../../base/errors.ts'
import type { PMode } from '../generated/goosefs/common.ts'
import type { CompleteFilePOptions, FileSystemMasterCommonPOptions } from '../generated/goosefs/files.ts'

const policies: Readonly<Record<number, WritePolicy>> = {
  1: 'MUST_CACHE',
  2: 'MUST_CACHE',
  3: 'CACHE_THROUGH',
  4: 'THROUGH',
  5: 'ASYNC_THROUGH',
  6: 'MUST_CACHE',
}
const checksumTypesMax = 2
const checksumMax = 2n ** 32n - 1n

/** Names of client metadata: what CompleteFile said of the bytes, as decimal numbers. */
export const checksumTypeName = 'goosefs-crc-type'
export const checksumValueName = 'goosefs-crc-value'

/** @param writeType not given: only in the cache @throws SkeinError invalid_argument */
export function policyOfWriteType(writeType: number | undefined): WritePolicy {
  const policy = policies[writeType ?? 1]
  if (policy === undefined) throw new SkeinError('invalid_argument', `${writeType} is no write type`)
  return policy
}

/** Permission bits; undefined: none are given. @throws SkeinError invalid_argument */
export function modeOf(mode: PMode | undefined): number | undefined {
  if (mode === undefined) return undefined
  const bits = [mode.ownerBits, mode.groupBits, mode.otherBits].map((given = 1) => given - 1)
  if (bits.some((three) => !Number.isInteger(three) || three < 0 || three > 7))
    throw new SkeinError('invalid_argument', 'permission bits must be 1 (none) to 8 (rwx)')
  return bits.reduce((all, three) => all * 8 + three, 0)
}

/** Whose file it is, if that is a name here. */
export function ownerOf(user: string | undefined): string | undefined {
  return user !== undefined && ownerName(user) === undefined ? user : undefined
}

/** The number of a call and of its repetitions; undefined: it has none. */
export function operationOf(options: FileSystemMasterCommonPOptions | undefined): string | undefined {
  const { mostSignificantBits: high, leastSignificantBits: low } = options?.operationId ?? {}
  return high === undefined || low === undefined ? undefined : `${high}:${low}`
}

/** @throws SkeinError invalid_argument */
export function checksumOf({ crcType, crcValue }: CompleteFilePOptions): ClientMetadata {
  if (crcType === undefined || crcValue === undefined) return {}
  if (crcType < 0 || crcType > checksumTypesMax || crcValue < 0n || crcValue > checksumMax)
    throw new SkeinError('invalid_argument', `${crcValue} is no checksum of type ${crcType}`)
  return { [checksumTypeName]: String(crcType), [checksumValueName]: String(crcValue) }
}
