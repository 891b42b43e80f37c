import type { HoldfastOptions } from './options.js'
import type { Settings } from './settings.js'

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/i

/** What works and is probably not meant, or is worth knowing; one sentence each, for the log at start. */
export function configurationWarnings(options: HoldfastOptions, settings: Settings): string[] {
  const warnings: string[] = []
  const remote = settings.nodes.filter((node) => node.scheme !== 'memory')
  if (settings.mode === 'sticky' && settings.route === undefined && remote.length > 0) {
    warnings.push('route is not set: give each server its own as soon as there is more than one')
  }
  if (remote.length === 0) {
    warnings.push('nodes is memory:// only: sessions are lost when this process ends')
  }
  const shared = remote.find((node, index) => remote.findIndex((other) => other.label === node.label) < index)
  if (shared !== undefined) {
    warnings.push(`nodes: ${shared.label} stands there more than once: a server is no backup of itself`)
  }
  if (settings.embed !== undefined && !loopback.test(settings.embed.host)) {
    warnings.push('embed: whoever reaches that address can read and change sessions: keep it in a private network')
  }
  if (settings.encryption.keys.length > 0 && !settings.encryption.required) {
    warnings.push(
      'encryption.required is off: records that are not encrypted, by whomever, are believed; for a migration only',
    )
  }
  if (options.store !== undefined) warnings.push('store is ignored: sessions are stored in nodes')
  return warnings
}
