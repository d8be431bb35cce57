// Why: kernel and this process agree on a version, sizes and abilities before anything else. How:
// INIT, answered from what the kernel offers and what is wanted here. Pure.
import { SkeinError } from '../../base/errors.ts'
import type { RequestReader } from './request.ts'
import { initBits } from './wire-numbers.ts'

const major = 7
/** The newest version whose structures are written here, and the oldest (Linux 4.20). */
const minorNewest = 38
const minorOldest = 28
const pageBytes = 4096

export interface WantedSession {
  /** Bytes of one read or write. */
  readonly requestBytesMax: number
  readonly readAheadBytes: number
  /** Read-ahead and direct reads that the kernel sends at a time. */
  readonly backgroundMax: number
}

export interface Negotiated {
  readonly answer: Buffer
  readonly requestBytesMax: number
}

/** @throws SkeinError unimplemented for a kernel that is too old */
export function negotiate(request: RequestReader, wanted: WantedSession): Negotiated {
  const kernelMajor = request.word()
  const kernelMinor = request.word()
  if (kernelMajor < major || (kernelMajor === major && kernelMinor < minorOldest))
    throw new SkeinError(
      'unimplemented',
      `FUSE ${kernelMajor}.${kernelMinor} is too old: Linux 4.20 or later is needed`,
    )
  const answer = Buffer.alloc(64)
  answer.writeUInt32LE(major, 0)
  answer.writeUInt32LE(Math.min(minorNewest, Math.max(minorOldest, kernelMinor)), 4)
  // A newer kernel asks again with our version.
  if (kernelMajor > major) return { answer, requestBytesMax: wanted.requestBytesMax }
  const readAheadBytesMax = request.word()
  const offered = request.word()
  const offeredSecond = (offered & initBits.secondWord) !== 0 ? request.word() : 0
  const {
    asyncRead,
    atomicTruncate,
    bigWrites,
    readdirplus,
    readdirplusAuto,
    asyncDirectIo,
    parallelDirectoryOperations,
    maxPages,
    secondWord,
  } = initBits
  const flags =
    offered &
    (asyncRead |
      atomicTruncate |
      bigWrites |
      readdirplus |
      readdirplusAuto |
      asyncDirectIo |
      parallelDirectoryOperations |
      maxPages |
      secondWord)
  if ((flags & atomicTruncate) === 0 || (flags & maxPages) === 0)
    throw new SkeinError('unimplemented', 'the FUSE of this kernel lacks what is needed: use Linux 4.20 or later')
  answer.writeUInt32LE(Math.min(readAheadBytesMax, wanted.readAheadBytes), 8)
  answer.writeUInt32LE(flags >>> 0, 12)
  answer.writeUInt16LE(wanted.backgroundMax, 16)
  answer.writeUInt16LE(Math.max(1, Math.floor((wanted.backgroundMax * 3) / 4)), 18)
  answer.writeUInt32LE(wanted.requestBytesMax, 20)
  answer.writeUInt32LE(1, 24)
  answer.writeUInt16LE(Math.ceil(wanted.requestBytesMax / pageBytes), 28)
  answer.writeUInt32LE((offeredSecond & initBits.directIoAllowMapping) >>> 0, 32)
  return { answer, requestBytesMax: wanted.requestBytesMax }
}
