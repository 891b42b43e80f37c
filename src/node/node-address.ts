/** Where a storage node is. Credentials are in here: print `label`, never the whole. */
export interface NodeAddress {
  /** `[A-Za-z0-9_]+`; `undefined`: the one anonymous node. */
  id: string | undefined
  scheme: 'memcached' | 'embedded' | 'memory'
  host: string
  /** 0 for `memory://`. */
  port: number
  username: string | undefined
  password: string | undefined
  /** The address for people: `memcached://host:port`, without credentials. */
  label: string
}
