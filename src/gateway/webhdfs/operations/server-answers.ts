// Why: clients ask a few things about the server, for defaults and for tools. How: there are no
// quotas, no trash that empties itself, and no tokens.
import { namespaceOf } from '../../../client/status/namespace-of.ts'
import { jsonReply, type WebHdfsCall, type WebHdfsContext, type WebHdfsReply } from '../call/webhdfs-call.ts'

/** CRC32C, in Hadoop's numbers. */
const checksumType = 2

/** GETHOMEDIRECTORY */
export async function getHomeDirectory(_: WebHdfsContext, { user }: WebHdfsCall): Promise<WebHdfsReply> {
  return jsonReply({ Path: user === '' ? '/user' : `/user/${user}` })
}

/** GETTRASHROOT: in the namespace of the path, because nothing is moved out of it. */
export async function getTrashRoot(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { user, path, signal } = call
  const namespace = await namespaceOf(context.fileSystem, path, { signal })
  const place = namespace === '' ? `/user/${user}/.Trash` : `/${namespace}/.Trash/${user}`
  return jsonReply({ Path: place.replaceAll('//', '/').replace(/\/$/, '') })
}

/** GETSERVERDEFAULTS */
export async function getServerDefaults({ blockSizeBytes }: WebHdfsContext): Promise<WebHdfsReply> {
  return jsonReply({
    FsServerDefaults: {
      ...{ blockSize: blockSizeBytes, bytesPerChecksum: 512, writePacketSize: 65_536, replication: 1 },
      ...{ fileBufferSize: 4096, encryptDataTransfer: false, trashInterval: 0, checksumType },
      ...{ keyProviderUri: '', defaultStoragePolicyId: 0 },
    },
  })
}

/** GETSTATUS */
export async function getStatus({ fileSystem }: WebHdfsContext, { signal }: WebHdfsCall): Promise<WebHdfsReply> {
  const { capacityBytes, usedBytes } = await fileSystem.usage({ signal })
  const remaining = Math.max(0, capacityBytes - usedBytes)
  return jsonReply({ FsStatus: { capacity: capacityBytes, used: usedBytes, remaining } })
}

/** GETDELEGATIONTOKEN: clients with Kerberos go on without a token. */
export async function getDelegationToken(): Promise<WebHdfsReply> {
  return jsonReply({ Token: null })
}
