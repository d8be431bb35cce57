// Why: the numbers of the FUSE protocol, each under its name. How: from the kernel's
// include/uapi/linux/fuse.h, version 7.38. Pure.

export const operations = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  access: 34,
  create: 35,
  interrupt: 36,
  bmap: 37,
  destroy: 38,
  ioctl: 39,
  poll: 40,
  batch_forget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copy_file_range: 47,
  syncfs: 50,
  tmpfile: 51,
} as const

export type OperationName = keyof typeof operations

const names = new Map<number, OperationName>(
  Object.entries(operations).map(([name, code]) => [code, name as OperationName]),
)

export function operationName(code: number): OperationName | undefined {
  return names.get(code)
}

/** Bits of INIT. Those from 32 on are in the second word. */
export const initBits = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  bigWrites: 1 << 5,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirectIo: 1 << 15,
  parallelDirectoryOperations: 1 << 18,
  maxPages: 1 << 22,
  secondWord: 1 << 30,
  /** In the second word: files that are opened for direct I/O can be mapped. */
  directIoAllowMapping: 1 << 4,
} as const

/** How the kernel treats an opened file. */
export const openBits = { directIo: 1, keepCache: 2, noFlush: 32 } as const

/** Which fields of SETATTR count. */
export const attributeBits = {
  mode: 1,
  userId: 2,
  groupId: 4,
  size: 8,
  accessedTime: 16,
  modifiedTime: 32,
  handle: 64,
  accessedNow: 128,
  modifiedNow: 256,
} as const

/** `open(2)`, as the kernel passes it. */
export const openFlags = {
  writeOnly: 0o1,
  readWrite: 0o2,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  direct: 0o40000,
} as const

/** `rename(2)`. */
export const renameBits = { noReplace: 1, exchange: 2 } as const

/** Bytes of the header of a request, and of an answer. */
export const requestHeaderBytes = 40
export const answerHeaderBytes = 16

/** Files and directories in `st_mode`, and what a listing says of them. */
export const fileTypes = {
  file: { mode: 0o100_000, entry: 8 },
  directory: { mode: 0o040_000, entry: 4 },
} as const
