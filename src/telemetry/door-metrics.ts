// Why: all doors are measured alike, so that one dashboard shows them. How: each door counts its
// requests by operation and outcome, the bytes that it moved, and where they came from. A door
// makes one of these when it opens.
import type { Clock } from '../base/clock.ts'
import type { LabelsOf } from './metric-table.ts'
import type { MetricRegistry } from './registry.ts'

type RequestLabels = LabelsOf<'skein_door_requests_total'>[0]
export type DoorName = RequestLabels['door']
export type DoorOperation = RequestLabels['operation']
export type DoorOutcome = RequestLabels['outcome']

export interface DoorMetricsParts {
  readonly metrics: Pick<MetricRegistry, 'add' | 'observe' | 'record'>
  readonly clock: Pick<Clock, 'monotonicMs'>
}

export class DoorMetrics {
  readonly #door: DoorName
  readonly #parts: DoorMetricsParts
  #inFlight = 0

  constructor(door: DoorName, parts: DoorMetricsParts) {
    this.#door = door
    this.#parts = parts
    parts.metrics.observe('skein_door_requests_in_flight', () => this.#inFlight, { door })
  }

  /** @returns called once, when the request has ended, with what it was and how it ended */
  begin(): (operation: DoorOperation, outcome: DoorOutcome) => void {
    const { metrics, clock } = this.#parts
    const door = this.#door
    const startMs = clock.monotonicMs()
    this.#inFlight += 1
    return (operation, outcome) => {
      this.#inFlight -= 1
      metrics.add('skein_door_requests_total', 1, { door, operation, outcome })
      const seconds = (clock.monotonicMs() - startMs) / 1000
      metrics.record('skein_door_request_duration_seconds', seconds, { door, operation })
    }
  }

  /** Bytes of files that were given to clients. */
  sent(bytes: number): void {
    if (bytes > 0) this.#parts.metrics.add('skein_door_sent_bytes_total', bytes, { door: this.#door })
  }

  /** Bytes of files that came from clients and were stored. */
  received(bytes: number): void {
    if (bytes > 0) this.#parts.metrics.add('skein_door_received_bytes_total', bytes, { door: this.#door })
  }

  /** For `onSource` of an opened file. */
  readonly onSource = (source: 'cache' | 'store', bytes: number): void => {
    this.#parts.metrics.add('skein_door_file_bytes_total', bytes, { door: this.#door, source })
  }

  /** Of a door that has a port. */
  observePort({ connections, rejections }: { connections: () => number; rejections: () => number }): void {
    const { metrics } = this.#parts
    metrics.observe('skein_door_connections', connections, { door: this.#door })
    metrics.observe('skein_door_rejections_total', rejections, { door: this.#door })
  }
}
