import { NodeRefusedError, ProtocolError } from '../../errors.js'
import { figure, type ServerFigures } from '../server-figures.js'

/** Sends one command that concerns no key. */
export type Call = (name: string, ...args: string[]) => Promise<unknown>

/** What a server may not have, or may forbid, each with a command that shows it and what its absence costs. */
const abilities: readonly { command: readonly [string, ...string[]]; costs: string }[] = [
  {
    command: ['EVAL', 'return 1', '0'],
    costs:
      'scripts (EVAL, EVALSHA): writes are fenced by SET with IFEQ, in two steps, where the server has that (Redis 8.4, Valkey 8.1), and not at all elsewhere',
  },
  {
    command: ['GETEX', 'holdfast:check'],
    costs: 'GETEX (Redis 6.2): reads do not renew the life of a session, and the node counts as read-only',
  },
  { command: ['CLIENT', 'TRACKING', 'OFF'], costs: 'CLIENT TRACKING: no near cache' },
  { command: ['WAIT', '0', '1'], costs: 'WAIT: writes can not be acknowledged by replicas (`wait`)' },
  { command: ['ROLE'], costs: 'ROLE: a replica at this address is noticed with the first write only' },
]

/** @param thorough also tries what the server can do; without it, `missing` is empty */
export async function readRedisFigures(call: Call, thorough: boolean): Promise<ServerFigures> {
  const [info, ...missing] = await Promise.all([
    call('INFO'),
    ...(thorough ? abilities : []).map(async ({ command, costs }) =>
      (await lacks(call, command)) ? costs : undefined,
    ),
  ])
  if (!Buffer.isBuffer(info)) throw new ProtocolError('answered INFO with something else')
  const lines = info.toString('utf8').matchAll(/^([a-z_]+):(.*?)\r?$/gm)
  const facts = new Map(Array.from(lines, ([, name = '', value = '']) => [name, value]))
  return {
    server: nameOf(facts),
    protocol: 'RESP2',
    usedBytes: figure(facts.get('used_memory')),
    maxBytes: figure(facts.get('maxmemory')),
    evictions: figure(facts.get('evicted_keys')),
    evictionPolicy: facts.get('maxmemory_policy'),
    missing: missing.filter((costs) => costs !== undefined) as string[],
  }
}

function nameOf(facts: ReadonlyMap<string, string>): string {
  const valkey = facts.get('valkey_version')
  return valkey === undefined ? `Redis ${facts.get('redis_version') ?? ''}`.trim() : `Valkey ${valkey}`
}

async function lacks(call: Call, [name, ...args]: readonly [string, ...string[]]): Promise<boolean> {
  try {
    await call(name, ...args)
    return false
  } catch (error) {
    if (error instanceof NodeRefusedError) return true
    throw error
  }
}
