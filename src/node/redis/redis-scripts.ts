import { hash } from 'node:crypto'

/** A Lua script and the name that the server has for it. */
export interface RedisScript {
  text: string
  sha: string
}

/*
 * Each script begins with a command that the server counts as a write (GETEX without options only reads): a demoted
 * master refuses it with READONLY and nothing that it still holds passes for an answer. The one step that changes
 * something is the last, so an error proves that nothing was changed.
 */

/** KEYS: the key. ARGV: bytes, digest of what must be there, life in milliseconds or 0. 1: stored, 0: refused. */
export const putScript = script(`
local value = redis.call('GETEX', KEYS[1])
if not value or redis.sha1hex(value) ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
end
return 1`)

/** KEYS: the key. ARGV: digest of what must be there. 1: removed, 0: nothing was there, -1: refused. */
export const deleteScript = script(`
local value = redis.call('GETEX', KEYS[1])
if not value then return 0 end
if redis.sha1hex(value) ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[1])
return 1`)

/**
 * KEYS: the key. ARGV: life in milliseconds or 0 (for ever), and how much shorter it may be before it is set. Nothing, or
 * the bytes and the life that is left (-1: for ever). A life that is long enough stays, and nobody is told of a change.
 */
export const readScript = script(`
local value = redis.call('GETEX', KEYS[1])
if not value then return false end
local left = redis.call('PTTL', KEYS[1])
if left == -1 then return {value, left} end
if ARGV[1] == '0' then
  redis.call('PERSIST', KEYS[1])
  return {value, -1}
end
local life = tonumber(ARGV[1])
if left >= life - tonumber(ARGV[2]) then return {value, left} end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {value, life}`)

/** KEYS: the key, which is never to expire. 1: it is there, 0: it is not. */
export const persistScript = script(`
if redis.call('PERSIST', KEYS[1]) == 1 then return 1 end
return redis.call('EXISTS', KEYS[1])`)

function script(text: string): RedisScript {
  const trimmed = text.trim()
  return { text: trimmed, sha: hash('sha1', trimmed, 'hex') }
}
