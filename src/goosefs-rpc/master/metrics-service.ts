// Why: clients report what they did every few seconds, and log an error when nobody takes it. How:
// taken, and not kept: what a client says of itself cannot be checked, and there may be any number
// of clients. What they really did is in the metrics of the master and of the workers.
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import { MetricsMasterClientServiceDefinition } from '../generated/goosefs/metrics.ts'
import { nativeService, type NativeServiceParts } from '../native-service.ts'

export function metricsService(parts: NativeServiceParts): StreamMethod[] {
  return nativeService(MetricsMasterClientServiceDefinition, { metricsHeartbeat: async () => ({}) }, parts)
}
