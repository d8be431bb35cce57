// Why: callers must not be able to harm a role, so no request may be larger or have other values
// than its method needs. How: a table per service sets for every method the maximum request size,
// which the server checks before it decodes the request, and a check per field, which runs before
// the role sees the request, for local and remote calls.
import { SkeinError } from '../../base/errors.ts'
import { type Check, problemText, record } from '../../base/shape.ts'
import type { CallOptions, MethodDefinition, Service, ServiceDefinition } from '../service.ts'

type RequestOf<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>

export interface MethodLimits {
  /** Maximum size of the encoded request. */
  readonly bytesMax: number
  readonly check: Check
}

/** Checks for every method of a service, and every field of its request. */
export type RequestChecks<D extends ServiceDefinition> = {
  readonly [M in keyof D['methods']]: {
    /** Default: 64 KiB. */
    readonly bytesMax?: number
    readonly fields: { readonly [Field in keyof RequestOf<D['methods'][M]>]-?: Check }
    /** A check of the whole request. */
    readonly whole?: Check
  }
}

export type ServiceLimits = Readonly<Record<string, MethodLimits>>

const bytesMaxDefault = 64 * 1024

/** Builds the table of a service. */
export function serviceLimits<D extends ServiceDefinition>(_definition: D, checks: RequestChecks<D>): ServiceLimits {
  const entries = Object.entries(
    checks as Readonly<Record<string, { bytesMax?: number; fields: Readonly<Record<string, Check>>; whole?: Check }>>,
  )
  return Object.fromEntries(
    entries.map(([name, { bytesMax = bytesMaxDefault, fields, whole }]) => {
      const isRequest = record<Readonly<Record<string, unknown>>>(fields)
      const check: Check = (request) => isRequest(request) ?? whole?.(request)
      return [name, { bytesMax, check }]
    }),
  )
}

/**
 * The service with its limits. Each method throws invalid_argument, one line with method and field,
 * when a limit is exceeded.
 */
export function limitedBy<D extends ServiceDefinition>(
  definition: D,
  limits: ServiceLimits,
  service: Service<D>,
): Service<D> {
  const methods = Object.entries(definition.methods).map(([name, method]) => {
    const { check } = limits[name] ?? { check: () => undefined }
    const serve = async (request: never, options: CallOptions): Promise<unknown> => {
      const problem = check(request)
      if (problem !== undefined)
        throw new SkeinError('invalid_argument', `the request of ${method.name} is refused: ${problemText(problem)}`)
      return await service[name as keyof D['methods']](request, options)
    }
    return [name, serve]
  })
  return Object.fromEntries(methods) as Service<D>
}
