// Why: the kernel is told what it does not ask for. How: notices in its structures
// (include/uapi/linux/fuse.h). Pure.

const invalidateEntryCode = 3

export interface Notice {
  readonly code: number
  readonly body: Uint8Array
}

/** A name has another node now. */
export function replacedEntry(parentId: number, name: string): Notice {
  const bytes = Buffer.from(name)
  const body = Buffer.alloc(16 + bytes.length + 1)
  body.writeBigUInt64LE(BigInt(parentId), 0)
  body.writeUInt32LE(bytes.length, 8)
  bytes.copy(body, 16)
  return { code: invalidateEntryCode, body }
}
