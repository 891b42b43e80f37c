import { type AdminRefusal, AdminRequestError, ConfigError, HoldfastError } from '../../errors.js'

/** The part of an answer that tells of an error. There is no stack trace in it, whatever a client asks for. */
export interface Fault {
  readonly status: number
  readonly '.error': true
  readonly error: string
  readonly error_type: string
  readonly error_type_jmx?: string
}

const jmx = 'javax.management.'

/** Status and Java class, which is what clients of the protocol tell errors by. */
const kinds: Record<AdminRefusal, readonly [number, string]> = {
  'bad-request': [400, 'java.lang.IllegalArgumentException'],
  'unknown-mbean': [404, `${jmx}InstanceNotFoundException`],
  'unknown-attribute': [404, `${jmx}AttributeNotFoundException`],
  'unknown-operation': [500, 'java.lang.NoSuchMethodException'],
  'illegal-argument': [500, 'java.lang.IllegalArgumentException'],
  forbidden: [403, 'java.lang.Exception'],
  timeout: [500, 'java.util.concurrent.TimeoutException'],
}

const MAX_MESSAGE = 1000

export function faultOf(error: unknown): Fault {
  const [status, type] = error instanceof AdminRequestError ? kinds[error.reason] : [500, classOf(error)]
  return {
    status,
    '.error': true,
    error: messageOf(error),
    error_type: type,
    ...(type.startsWith(jmx) && { error_type_jmx: type }),
  }
}

function classOf(error: unknown): string {
  if (error instanceof ConfigError) return 'java.lang.IllegalArgumentException'
  return error instanceof HoldfastError ? 'java.lang.IllegalStateException' : 'java.lang.RuntimeException'
}

export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE)
}

export function isRefusal(error: unknown, reason: AdminRefusal): boolean {
  return error instanceof AdminRequestError && error.reason === reason
}
