// Why: one request of the kernel changes the size, the owner, the mode and the times of a file.
// How: its structure as values (struct fuse_setattr_in); what is not asked for is not there. Pure.
import { type FileTime, nanosecondsPerMs } from '../../base/attributes/set-times.ts'
import type { RequestReader } from './request.ts'
import { attributeBits } from './wire-numbers.ts'

export interface AttributeRequest {
  /** Of the descriptor that the program used. */
  readonly handle?: number
  readonly size?: number
  readonly mode?: number
  readonly userId?: number
  readonly groupId?: number
  readonly modified?: FileTime | 'now'
  readonly accessed?: FileTime | 'now'
}

export function attributeRequest(request: RequestReader): AttributeRequest {
  const valid = request.word()
  const has = (bit: number): boolean => (valid & bit) !== 0
  request.skip(4)
  const [handle, size] = [request.wide(), request.wide()]
  request.skip(8)
  const [accessedSeconds, modifiedSeconds] = [request.signedWide(), request.signedWide()]
  request.skip(8)
  const [accessedNanoseconds, modifiedNanoseconds] = [request.word(), request.word()]
  request.skip(4)
  const mode = request.word()
  request.skip(4)
  const [userId, groupId] = [request.word(), request.word()]
  const accessed = has(attributeBits.accessedNow) ? 'now' : timeOf(accessedSeconds, accessedNanoseconds)
  const modified = has(attributeBits.modifiedNow) ? 'now' : timeOf(modifiedSeconds, modifiedNanoseconds)
  return {
    ...(has(attributeBits.handle) && { handle }),
    ...(has(attributeBits.size) && { size }),
    ...(has(attributeBits.mode) && { mode }),
    ...(has(attributeBits.userId) && { userId }),
    ...(has(attributeBits.groupId) && { groupId }),
    ...(has(attributeBits.accessedTime) && { accessed }),
    // A file that is cut has a time of its own.
    ...(has(attributeBits.modifiedTime) && !(has(attributeBits.size) && modified === 'now') && { modified }),
  }
}

function timeOf(seconds: number, nanoseconds: number): FileTime {
  return {
    ms: seconds * 1000 + Math.floor(nanoseconds / nanosecondsPerMs),
    ns: nanoseconds % nanosecondsPerMs,
  }
}
