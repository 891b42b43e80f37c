/** Where a Redis or Sentinel listens. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly password?: string | undefined
}

/* Long: a busy machine is no reason for an error. */
const PATIENT = 10_000
/* Who asks again and again does not wait long for a server that stands still. */
const BRISK = 1000

/**
 * Sends one command on a connection of its own, which never reconnects and never sends twice.
 *
 * @throws Error when the server refuses the command, or doesn't answer within ten seconds
 */
export function redisCommand(address: RedisAddress, ...args: (string | number)[]): Promise<unknown> {
  return command(address, args, PATIENT)
}

async function command(address: RedisAddress, args: readonly (string | number)[], timeout: number): Promise<unknown> {
  const { Redis } = await import('ioredis')
  const { host, port, password } = address
  const client = new Redis({
    host,
    port,
    ...(password === undefined ? {} : { password }),
    protocol: 2,
    lazyConnect: true,
    connectTimeout: timeout,
    commandTimeout: timeout,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    disableClientInfo: true,
  })
  // Whoever waits for the command gets the error.
  client.on('error', () => {})
  try {
    await client.connect()
    const [name = '', ...rest] = args
    return await client.call(String(name), ...rest)
  } finally {
    client.disconnect()
  }
}

/** The fields of `INFO` by name. Asked within a second. */
export async function redisInfo(address: RedisAddress, section: string): Promise<Record<string, string>> {
  const text = String(await command(address, ['INFO', section], BRISK))
  return Object.fromEntries(
    Array.from(text.matchAll(/^([^#:\r\n]+):(.*?)\r?$/gm), ([, name = '', value = '']) => [name, value]),
  )
}

/** Whether a server is a replica of that master and up to date with it. */
export async function follows(replica: RedisAddress, master: RedisAddress): Promise<boolean> {
  const info = await redisInfo(replica, 'replication')
  return (
    info.role === 'slave' &&
    info.master_host === master.host &&
    info.master_port === `${master.port}` &&
    info.master_link_status === 'up'
  )
}

export async function isMaster(address: RedisAddress): Promise<boolean> {
  return (await redisInfo(address, 'replication')).role === 'master'
}
