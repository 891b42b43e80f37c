import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigError, HoldfastError } from '../errors.js'
import type { Principal } from './access/principal.js'
import {
  type AdminLimits,
  type AdminSettings,
  credentialsExpected,
  hasCredentials,
  isLoopback,
  isOpenToOthers,
} from './admin-settings.js'
import { AdminEndpoint, type AdminHandlerOptions } from './http/admin-handler.js'
import { limitConnections } from './http/connection-limits.js'
import { hostsOfListener } from './http/host-check.js'

const CLOSE_TIMEOUT = 2000
const MAX_HEAD = 16_384
const MAX_HEADERS = 100

/** Who asks on loopback where no credentials are configured: only somebody on this machine can. */
const local: Principal = { name: 'local', role: 'operator', values: false, nodes: false }

/** A stand-alone server of the administration. */
export interface AdminServer {
  readonly address: { readonly host: string; readonly port: number }
  readonly url: string
  /** Stops listening; requests under way may finish, for at most 2 s. */
  close(): Promise<void>
}

/**
 * Starts the stand-alone server at `settings.listen`.
 * @throws {ConfigError} without an address, or for an address that is no loopback address without credentials.
 * @throws {HoldfastError} `HOLDFAST_ADMIN` when it can't listen there, such as for a port that is taken.
 */
export async function startAdminServer(settings: AdminSettings, options: AdminHandlerOptions): Promise<AdminServer> {
  const { listen, auth, limits } = settings
  if (listen === undefined) throw refusedAddress('nothing', 'an address to listen on')
  if (isOpenToOthers(settings)) throw refusedAddress(`${listen.host}:${listen.port}`, credentialsExpected)
  if (!isLoopback(listen.host)) {
    options.logger.warn('admin: logins cross the network as plain text unless something in front speaks TLS')
  }
  const { handle } = new AdminEndpoint(options, {
    settings,
    isOwnHost: hostsOfListener(listen.host, settings.allowedHosts),
    basePath: '',
    identify: hasCredentials(auth) ? undefined : local,
  })
  const server = limitedServer(limits).on('request', handle)
  await startListening(server, listen)
  server.on('error', (error) => options.logger.error(`admin: ${error.message}`))
  const { address, port } = server.address() as AddressInfo
  const host = address.includes(':') ? `[${address}]` : address
  return { address: { host: address, port }, url: `http://${host}:${port}`, close: () => stop(server) }
}

function limitedServer(limits: AdminLimits): Server {
  const server = createServer({
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    connectionsCheckingInterval: limits.timeoutCheck,
    maxHeaderSize: MAX_HEAD,
  })
  server.maxHeadersCount = MAX_HEADERS
  limitConnections(server, { total: limits.connections, perNetwork: limits.connectionsPerAddress })
  /* Of a client that takes no bytes any more. */
  server.timeout = limits.memberTimeout + limits.requestTimeout
  return server
}

function startListening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message
      const message = `the administration can't listen on ${host}:${port}: ${why}`
      reject(new HoldfastError('HOLDFAST_ADMIN', message, { cause: error }))
    })
    /* Not shared between the workers of node:cluster: each would answer for itself by chance. */
    server.listen({ port, host, exclusive: true }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT)
    timer.unref()
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}

function refusedAddress(value: string, expected: string): ConfigError {
  return new ConfigError('the configuration', [{ path: 'admin.listen', value, expected }])
}
