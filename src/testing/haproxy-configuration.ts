import type { HaproxyOptions } from './start-haproxy.js'

export type CheckKind = 'redis-master' | 'connect'

/**
 * A configuration that passes TCP on. The check follows the example in HAProxy's manual:
 * https://docs.haproxy.org/dev/configuration.html#4-option%20tcp-check. A server that fails its check loses its
 * connections too: otherwise clients would stay on a demoted master.
 */
export function haproxyConfiguration(
  listen: { host: string; port: number; socket: string },
  options: HaproxyOptions,
): string {
  const { backends, check = 'connect', checkInterval = 100, password, tls } = options
  return `global
  maxconn 1000
  stats socket ${listen.socket} level user

defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout check 1s

frontend redis
  bind ${listen.host}:${listen.port}${tls === undefined ? '' : encryption(tls)}
  default_backend redis

backend redis
${check === 'redis-master' ? askForMaster(password) : ''}  default-server check inter ${checkInterval}ms fall 1 rise 1 on-marked-down shutdown-sessions
${backends.map(({ host, port }, index) => `  server r${index + 1} ${host}:${port}\n`).join('')}`
}

function encryption({ certificate, clientAuthority }: NonNullable<HaproxyOptions['tls']>): string {
  const clients = clientAuthority === undefined ? '' : ` ca-file ${clientAuthority} verify required`
  return ` ssl crt ${certificate}${clients}`
}

function askForMaster(password: string | undefined): string {
  const login = password === undefined ? [] : [`tcp-check send-binary ${authInHex(password)}`, expect('+OK')]
  const steps = [
    ...['tcp-check send PING\\r\\n', expect('+PONG')],
    ...['tcp-check send INFO\\ replication\\r\\n', expect('role:master')],
    ...['tcp-check send QUIT\\r\\n', expect('+OK')],
  ]
  return ['option tcp-check', 'tcp-check connect', ...login, ...steps].map((line) => `  ${line}\n`).join('')
}

function expect(answer: string): string {
  return `tcp-check expect string ${answer}`
}

/** A password may hold what HAProxy or Redis' inline commands give a meaning to: so it goes as bytes, with its length. */
function authInHex(password: string): string {
  const command = `*2\r\n$4\r\nAUTH\r\n$${Buffer.byteLength(password)}\r\n${password}\r\n`
  return Buffer.from(command).toString('hex')
}
