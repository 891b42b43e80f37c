/** Where a request goes. `below` is what follows the base of the protocol, percent-encoded. */
export type AdminRoute =
  | { kind: 'jolokia'; below: string }
  | { kind: 'metrics' }
  | { kind: 'healthz' }
  | { kind: 'readyz' }
  | { kind: 'asset'; path: string }

const fixed = new Map<string, AdminRoute>([
  ['/jolokia', { kind: 'jolokia', below: '' }],
  ['/metrics', { kind: 'metrics' }],
  ['/healthz', { kind: 'healthz' }],
  ['/readyz', { kind: 'readyz' }],
])

export function findRoute(path: string): AdminRoute {
  if (path.startsWith('/jolokia/')) return { kind: 'jolokia', below: path.slice('/jolokia'.length) }
  return fixed.get(path) ?? { kind: 'asset', path }
}
