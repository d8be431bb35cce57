// Why: the table of what the door does. How: a handler for each operation of Hadoop that has a
// meaning in a cache of objects; the others of request/operation-names.ts are refused.
import { hadoopError } from './answer/hadoop-exceptions.ts'
import type { OperationDefinition } from './call/webhdfs-call.ts'
import { createFile } from './operations/file-bytes-in.ts'
import { openFile } from './operations/file-bytes-out.ts'
import { listStatus, listStatusBatch } from './operations/list-directory-entries.ts'
import {
  checkAccess,
  getAclStatus,
  getBlockLocations,
  getContentSummary,
  getExtendedAttributes,
  getFileBlockLocations,
  getFileStatus,
  getQuotaUsage,
  listExtendedAttributes,
} from './operations/path-answers.ts'
import {
  deletePath,
  makeDirectories,
  setOwner,
  setPermission,
  setReplication,
  setTimes,
} from './operations/path-changes.ts'
import { renamePath } from './operations/rename-path.ts'
import {
  getDelegationToken,
  getHomeDirectory,
  getServerDefaults,
  getStatus,
  getTrashRoot,
} from './operations/server-answers.ts'

const stat = { kind: 'stat', access: 'read' } as const
const other = { kind: 'other', access: 'read' } as const
const change = { kind: 'other', access: 'write' } as const

const operations: Readonly<Record<string, OperationDefinition>> = {
  OPEN: { handler: openFile, kind: 'read', access: 'read' },
  GETFILESTATUS: { handler: getFileStatus, ...stat },
  GETFILELINKSTATUS: { handler: getFileStatus, ...stat },
  LISTSTATUS: { handler: listStatus, kind: 'list', access: 'read' },
  LISTSTATUS_BATCH: { handler: listStatusBatch, kind: 'list', access: 'read' },
  GETCONTENTSUMMARY: { handler: getContentSummary, ...stat, isSlow: true },
  GETQUOTAUSAGE: { handler: getQuotaUsage, ...stat, isSlow: true },
  GETFILEBLOCKLOCATIONS: { handler: getFileBlockLocations, ...stat },
  GET_BLOCK_LOCATIONS: { handler: getBlockLocations, ...stat },
  GETACLSTATUS: { handler: getAclStatus, ...stat },
  GETXATTRS: { handler: getExtendedAttributes, ...stat },
  LISTXATTRS: { handler: listExtendedAttributes, ...stat },
  CHECKACCESS: { handler: checkAccess, ...stat },
  GETHOMEDIRECTORY: { handler: getHomeDirectory, ...other },
  GETTRASHROOT: { handler: getTrashRoot, ...other },
  GETSERVERDEFAULTS: { handler: getServerDefaults, ...other },
  GETSTATUS: { handler: getStatus, ...other },
  GETDELEGATIONTOKEN: { handler: getDelegationToken, ...other },
  CREATE: { handler: createFile, kind: 'write', access: 'write' },
  MKDIRS: { handler: makeDirectories, ...change },
  RENAME: { handler: renamePath, kind: 'rename', access: 'write', isSlow: true },
  DELETE: { handler: deletePath, kind: 'delete', access: 'write', isSlow: true },
  SETPERMISSION: { handler: setPermission, ...change },
  SETOWNER: { handler: setOwner, ...change },
  SETTIMES: { handler: setTimes, ...change },
  SETREPLICATION: { handler: setReplication, ...change },
}

/** @throws UnsupportedOperationException */
export function operationNamed(name: string): OperationDefinition {
  const definition = Object.hasOwn(operations, name) ? operations[name] : undefined
  if (definition === undefined) throw hadoopError('UnsupportedOperationException', `${name} is not supported`)
  return definition
}
