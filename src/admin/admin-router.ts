import { ConfigError } from '../errors.js'
import type { Identify } from './access/identify.js'
import type { Principal } from './access/principal.js'
import { type AdminSettings, hasCredentials } from './admin-settings.js'
import { AdminEndpoint, type AdminHandler, type AdminHandlerOptions } from './http/admin-handler.js'
import { hostsOfApplication } from './http/host-check.js'

/** How the administration is mounted in an application. */
export interface AdminMount {
  /**
   * `true`: it asks for no login of its own. Whoever reaches it is an operator, so mount it behind the application's own login. Default
   * false: `admin.auth` must have credentials.
   */
  unprotected?: boolean
  /**
   * With `unprotected`: tells who asks, by the application's own login; it may give a promise, for at most 5 s. Only an object whose
   * `role` is `viewer` or `operator` lets anybody in: all else refuses, such as nothing, `null`, `false`, an error, a promise that fails.
   * Default: everybody is an operator who may neither see values of session attributes nor choose the storage nodes.
   */
  identify?: Identify
  /** The path that it is mounted under, where nobody takes that off `req.url`: plain node:http. Express does. Default none. */
  basePath?: string
}

const application: Principal = { name: 'application', role: 'operator', values: false, nodes: false }

/**
 * The administration as a request handler, for `app.use('/admin', …)` or plain node:http. It answers every request that it gets.
 * Everything but the login applies as on the stand-alone server: read-only mode, methods, origins, limits, the audit log, the Host. Of
 * names, only those of loopback are known without `allowedHosts`.
 * @throws {ConfigError} when it would have no login without being called `unprotected`.
 */
export function createAdminRouter(
  settings: AdminSettings,
  options: AdminHandlerOptions,
  { unprotected = false, identify, basePath = '' }: AdminMount = {},
): AdminHandler {
  if (!unprotected && !hasCredentials(settings.auth)) {
    const expected = 'credentials, or adminRouter({ unprotected: true }) behind a login of the application'
    throw new ConfigError('the administration', [{ path: 'admin.auth', value: '', expected }])
  }
  const endpoint = new AdminEndpoint(options, {
    settings,
    isOwnHost: hostsOfApplication(settings.allowedHosts),
    basePath: basePath.replace(/\/+$/, ''),
    identify: unprotected ? (identify ?? application) : undefined,
  })
  return endpoint.handle
}
