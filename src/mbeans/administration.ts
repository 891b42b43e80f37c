import { AuditLog } from '../admin/access/audit-log.js'
import { type AdminMount, createAdminRouter } from '../admin/admin-router.js'
import { type AdminServer, startAdminServer } from '../admin/admin-server.js'
import { adminSettings } from '../admin/admin-settings.js'
import type { AdminHandler, AdminHandlerOptions } from '../admin/http/admin-handler.js'
import type { Readiness } from '../admin/http/health.js'
import { dashboardAssets } from '../dashboard/dashboard-assets.js'
import { Beans } from './beans.js'
import type { Managed } from './managed.js'
import { metricFamilies } from './metrics/families.js'
import { createMetrics } from './metrics/metrics.js'
import { packageVersion } from './package-version.js'

/** The administration of one session manager: its MBeans, metrics and health, on a listener of its own or in the application. */
export class Administration {
  private readonly managed: Managed
  private readonly options: AdminHandlerOptions
  private readonly audit: AuditLog
  private server: AdminServer | undefined

  constructor(managed: Managed) {
    const { context } = managed.manager
    const { logger } = context.settings
    const version = packageVersion()
    const { registry, census } = new Beans(managed, version)
    this.managed = managed
    this.audit = new AuditLog({ logger, clock: context.clock })
    this.options = {
      registry,
      logger,
      version,
      clock: context.clock,
      audit: this.audit,
      metrics: createMetrics(metricFamilies(managed, census, version)),
      readiness: () => readinessOf(managed),
      assets: dashboardAssets,
    }
  }

  /** Where the stand-alone server listens; `undefined`: it does not. */
  get url(): string | undefined {
    return this.server?.url
  }

  /** Starts the stand-alone server where the configuration has one. @throws HoldfastError, ConfigError */
  async listen(): Promise<void> {
    const settings = this.managed.manager.context.settings.admin
    if (settings?.listen === undefined) return
    this.server = await startAdminServer(settings, this.options)
    this.options.logger.info(`the administration listens on ${this.server.url}`)
  }

  /** @throws ConfigError */
  router(mount: AdminMount): AdminHandler {
    const settings = this.managed.manager.context.settings.admin ?? adminSettings()
    return createAdminRouter(settings, this.options, mount)
  }

  /** Runs a change of the settings that the application makes itself, and notes which keys it was about and what came of it. */
  audited(keys: readonly string[], change: () => void): void {
    const entry = { action: 'reconfigure', principal: 'application', address: 'this process', arguments: keys } as const
    try {
      change()
      this.audit.add({ ...entry, outcome: 'done' })
    } catch (error) {
      this.audit.add({ ...entry, outcome: 'refused' })
      throw error
    }
  }

  async close(): Promise<void> {
    await this.server?.close()
  }
}

/* A storage node that is down is no reason to send visitors away: the others would have the same one. One that was never reached is. */
function readinessOf({ state, manager }: Managed): Readiness {
  return {
    state,
    /* Asked for only where somebody may see it. */
    get detail() {
      const { pendingBackups, unprotectedSessions } = manager.figures()
      const all = manager.context.placement.nodes
      const nodes = Object.fromEntries(all.map((node) => [node.name, node.state]))
      const problems = Object.fromEntries(all.flatMap((node) => (node.trouble ? [[node.name, node.trouble]] : [])))
      return { nodes, problems, pendingBackups, unprotectedSessions }
    },
  }
}
