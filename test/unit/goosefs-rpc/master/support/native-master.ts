// Why: tests of the master's side of GooseFS's protocol speak to a real master over a real port.
import { systemClock } from '../../../../../src/base/clock.ts'
import { fileSystemService } from '../../../../../src/goosefs-rpc/master/file-system-service.ts'
import { workerListService } from '../../../../../src/goosefs-rpc/master/worker-list-service.ts'
import { ChannelSessions } from '../../../../../src/goosefs-rpc/session/channel-sessions.ts'
import { saslService } from '../../../../../src/goosefs-rpc/session/sasl-service.ts'
import { silentLogger } from '../../../../../src/telemetry/logger.ts'
import { startServer } from '../../../../../src/wire/rpc/server.ts'
import { NativeClient } from '../../../../support/native-client.ts'
import { call, type MasterFixture } from '../../../cache-master/support/master-fixture.ts'

/** A port of the master that runs now, and a client of it. */
export async function connectNative(
  fixture: MasterFixture,
  onEnd: (undo: () => Promise<void> | void) => void,
): Promise<NativeClient> {
  const sessions = new ChannelSessions({ type: 'NOSASL', clock: systemClock })
  const parts = { sessions, logger: silentLogger }
  const { service: master, lifecycle } = fixture.master
  const isSecret = (name: string): boolean => name.startsWith('secret')
  const files = { master, lifecycle, isSecret, clock: fixture.clock, logger: silentLogger, signal: call.signal }
  const server = await startServer({
    ...{ what: 'master', host: '127.0.0.1', port: 0, services: [], logger: silentLogger, clock: systemClock },
    streams: [
      saslService(sessions, parts),
      fileSystemService(files, parts),
      workerListService({ master, clock: fixture.clock }, parts),
    ],
  })
  onEnd(() => server.close(0))
  const made = new NativeClient(server.address)
  onEnd(() => made.close())
  return made
}
