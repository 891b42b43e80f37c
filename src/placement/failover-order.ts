/**
 * The order in which a session's nodes are tried: rendezvous hashing (Thaler and Ravishankar, 1998). The same on every
 * server, spread evenly, and a node that comes or goes moves only the sessions that it had.
 */
export function failoverOrder<T>(token: string, nodes: readonly T[], nameOf: (node: T) => string): T[] {
  if (nodes.length < 2) return [...nodes]
  return nodes
    .map((node) => ({ node, name: nameOf(node), score: score(token, nameOf(node)) }))
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
    .map((ranked) => ranked.node)
}

/* FNV-1a over both texts, then the finaliser of MurmurHash3, as FNV alone leaves the last characters' bits low. */
function score(token: string, name: string): number {
  let hash = 0x811c9dc5
  hash = mix(hash, token)
  hash = mix(hash, name)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(seed: number, text: string): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}
