// Why: whoever may call a role must still not be able to harm it: no request may be larger, longer
// or odder than its method has use for. How: a table a service says for every method how many bytes
// its request may have, which the server checks before it reads it, and what each field may be,
// which is checked before the role sees it, whether the call came over the network or not.
import { SkeinError } from '../../base/errors.ts'
import { type Check, problemText, record } from '../../base/shape.ts'
import type { CallOptions, MethodDefinition, Service, ServiceDefinition } from '../service.ts'

type RequestOf<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>

export interface MethodLimits {
  /** Of the request as it comes. */
  readonly bytesMax: number
  readonly check: Check
}

/** Every method of a service, and every field of its request. */
export type RequestChecks<D extends ServiceDefinition> = {
  readonly [M in keyof D['methods']]: {
    /** Default: 64 KiB. */
    readonly bytesMax?: number
    readonly fields: { readonly [Field in keyof RequestOf<D['methods'][M]>]-?: Check }
    /** Of the request as a whole. */
    readonly whole?: Check
  }
}

export type ServiceLimits = Readonly<Record<string, MethodLimits>>

const bytesMaxDefault = 64 * 1024

/** The table of a service, ready for use. */
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
 * The service behind its limits. Each method throws invalid_argument, one line that names method
 * and field, for what is beyond them.
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
