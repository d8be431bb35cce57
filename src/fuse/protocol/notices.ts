// Why: the kernel is told what it does not ask for. How: notices in its structures
// (include/uapi/linux/fuse.h). Pure.

const invalidateEntryCode = 3
const storeCode = 4

export interface Notice {
  readonly code: number
  readonly body: readonly Uint8Array[]
}

/** A name has another node now. */
export function replacedEntry(parentId: number, name: string): Notice {
  const bytes = Buffer.from(name)
  const body = Buffer.alloc(16 + bytes.length + 1)
  body.writeBigUInt64LE(BigInt(parentId), 0)
  body.writeUInt32LE(bytes.length, 8)
  bytes.copy(body, 16)
  return { code: invalidateEntryCode, body: [body] }
}

/** The content of a file, from its start. */
export function storedContent(nodeId: number, content: Uint8Array): Notice {
  const head = Buffer.alloc(24)
  head.writeBigUInt64LE(BigInt(nodeId), 0)
  head.writeUInt32LE(content.length, 16)
  return { code: storeCode, body: [head, content] }
}
