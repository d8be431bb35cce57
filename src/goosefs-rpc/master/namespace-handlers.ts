// Why: clients of GooseFS mount stores and make namespaces by the same protocol. How: a mount below
// `/` is a namespace here, with the properties that are secrets kept apart.
import { SkeinError } from '../../base/errors.ts'
import type { MasterServiceDefinition, NamespaceInfo } from '../../wire/generated/master.ts'
import type { CallOptions, Service } from '../../wire/service.ts'
import type {
  FileInfo as NativeFileInfo,
  FileSystemMasterClientServiceDefinition,
  MountPointInfo,
} from '../generated/goosefs/files.ts'
import type { NativeCall, NativeHandlers } from '../native-service.ts'
import { policyOfWriteType } from './creation-options.ts'
import { mountId, nativeFileInfo } from './file-info-translation.ts'

type Methods =
  | 'mount'
  | 'unmount'
  | 'getMountTable'
  | 'createNamespace'
  | 'deleteNamespace'
  | 'listNamespace'
  | 'statNamespace'
export type NamespaceHandlers = Required<Pick<NativeHandlers<typeof FileSystemMasterClientServiceDefinition>, Methods>>

export interface NamespaceParts {
  readonly master: Pick<
    Service<typeof MasterServiceDefinition>,
    'createNamespace' | 'deleteNamespace' | 'listNamespaces' | 'getStatus'
  >
  /** Whether a property of a store is a secret. */
  readonly isSecret: (name: string) => boolean
}

interface NewNamespace {
  readonly name: string
  readonly uri: string
  readonly properties: Readonly<Record<string, string>>
  readonly attributes: Readonly<Record<string, string>>
}

const readPolicies: Readonly<Record<number, string>> = { 1: 'NO_CACHE', 2: 'CACHE' }

export function namespaceHandlers({ master, isSecret }: NamespaceParts): NamespaceHandlers {
  const create = async ({ name, uri, properties, attributes }: NewNamespace, call: NativeCall): Promise<void> => {
    const given = Object.entries(properties)
    await master.createNamespace(
      {
        ...{ name, uri },
        secrets: Object.fromEntries(given.filter(([key]) => isSecret(key))),
        attributes: { ...Object.fromEntries(given.filter(([key]) => !isSecret(key))), ...attributes },
      },
      optionsOf(call),
    )
  }
  const status = async (name: string, call: NativeCall): Promise<NativeFileInfo> =>
    nativeFileInfo(await master.getStatus({ path: `/${name}` }, optionsOf(call)))
  const listed = async (call: NativeCall): Promise<NamespaceInfo[]> =>
    (await master.listNamespaces({}, optionsOf(call))).namespaces
  return {
    mount: async ({ goosefsPath, ufsPath, options }, call) => {
      const attributes: Record<string, string> = options?.readOnly === true ? { readOnly: 'true' } : {}
      const properties = options?.properties ?? {}
      await create({ name: nameOfMount(goosefsPath), uri: ufsPath ?? '', properties, attributes }, call)
      return {}
    },
    unmount: async ({ goosefsPath }, call) => {
      await master.deleteNamespace({ name: nameOfMount(goosefsPath) }, optionsOf(call))
      return {}
    },
    getMountTable: async (_request, call) => ({
      mountPoints: Object.fromEntries((await listed(call)).map((one) => [`/${one.name}`, mountPoint(one)])),
    }),
    createNamespace: async ({ namespace, ufsPath, options }, call) => {
      const { readOnly, readPType, writePType } = options ?? {}
      const readPolicy = readPolicies[readPType ?? 0]
      const attributes = {
        ...(readOnly === true && { readOnly: 'true' }),
        ...(readPolicy !== undefined && { readPolicy }),
        ...(writePType !== undefined && writePType !== 0 && { writePolicy: policyOfWriteType(writePType) }),
      }
      await create(
        { name: nameGiven(namespace), uri: ufsPath ?? '', properties: options?.properties ?? {}, attributes },
        call,
      )
      return {}
    },
    deleteNamespace: async ({ namespace }, call) => {
      await master.deleteNamespace({ name: nameGiven(namespace) }, optionsOf(call))
      return {}
    },
    listNamespace: async (_request, call, send) => {
      for (const { name } of await listed(call)) await send({ fileInfo: [await status(name, call)] })
    },
    statNamespace: async ({ namespace }, call) => ({ fileInfo: await status(nameGiven(namespace), call) }),
  }
}

/** The namespace of a mount point; `/` is the root mount. @throws SkeinError invalid_argument */
function nameOfMount(path: string | undefined): string {
  const name = /^\/([^/]*)\/*$/.exec(path ?? '')?.[1]
  if (name === undefined)
    throw new SkeinError(
      'invalid_argument',
      `${path ?? ''} cannot be a mount point: stores are mounted directly below /`,
    )
  return name === '' ? '/' : name
}

/** @throws SkeinError invalid_argument */
function nameGiven(name: string | undefined): string {
  const given = (name ?? '').replace(/^\//, '').replace(/\/+$/, '')
  if (given === '') throw new SkeinError('invalid_argument', 'the name of the namespace is missing')
  return given
}

function mountPoint({ uri, attributes }: NamespaceInfo): MountPointInfo {
  return {
    ...{ ufsUri: uri, ufsType: uri.slice(0, Math.max(0, uri.indexOf(':'))), ufsCapacityBytes: -1n, ufsUsedBytes: -1n },
    ...{ readOnly: attributes['readOnly'] === 'true', properties: { ...attributes }, shared: false, mountId },
  }
}

function optionsOf({ signal }: NativeCall): CallOptions {
  return { signal }
}
