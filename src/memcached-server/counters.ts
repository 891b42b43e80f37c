/** What the server counts, under memcached's names where it has one. */
export interface Counters {
  total_connections: number
  rejected_connections: number
  accept_errors: number
  /** Connections ended because of bytes that are no request. */
  protocol_errors: number
  /** Requests given up because their rest did not come in time, or too many were half received. */
  abandoned_requests: number
  bytes_read: number
  bytes_written: number
  cmd_get: number
  cmd_set: number
  cmd_touch: number
  cmd_flush: number
  get_hits: number
  get_misses: number
  touch_hits: number
  touch_misses: number
  delete_hits: number
  delete_misses: number
  incr_hits: number
  incr_misses: number
  decr_hits: number
  decr_misses: number
  cas_hits: number
  cas_misses: number
  cas_badval: number
  total_items: number
  /** Items dropped before their time, to make room. */
  evictions: number
  /** Of these, the ones that nobody had read. */
  evicted_unfetched: number
  /** Items removed because their time was over. */
  reclaimed: number
  /** Of these, the ones that nobody had read. */
  expired_unfetched: number
  store_too_large: number
  store_no_memory: number
}

export function newCounters(): Counters {
  return {
    total_connections: 0,
    rejected_connections: 0,
    accept_errors: 0,
    protocol_errors: 0,
    abandoned_requests: 0,
    bytes_read: 0,
    bytes_written: 0,
    cmd_get: 0,
    cmd_set: 0,
    cmd_touch: 0,
    cmd_flush: 0,
    get_hits: 0,
    get_misses: 0,
    touch_hits: 0,
    touch_misses: 0,
    delete_hits: 0,
    delete_misses: 0,
    incr_hits: 0,
    incr_misses: 0,
    decr_hits: 0,
    decr_misses: 0,
    cas_hits: 0,
    cas_misses: 0,
    cas_badval: 0,
    total_items: 0,
    evictions: 0,
    evicted_unfetched: 0,
    reclaimed: 0,
    expired_unfetched: 0,
    store_too_large: 0,
    store_no_memory: 0,
  }
}

export function resetCounters(counters: Counters): void {
  Object.assign(counters, newCounters())
}
