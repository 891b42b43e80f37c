import { boolean, choice, double, long, string } from '../admin/mbean/value-type.js'
import { largestValueBytes } from '../node/item-size.js'
import type { Managed } from './managed.js'
import { auditedNodeIds, auditedNodeList, checkNodeList, printNodeList } from './node-list.js'
import { longest, patternOption, patternText, setting } from './setting.js'

/** The settings of sessions and nodes that may change while running. */
export function sessionSettings(managed: Managed) {
  return {
    Mode: setting(managed, {
      type: choice('sticky', 'non-sticky'),
      description: 'sticky: this server keeps the sessions of its visitors; non-sticky: any server serves any request.',
      read: ({ mode }) => mode,
      change: (mode) => ({ mode }),
    }),
    Enabled: setting(managed, {
      type: boolean(),
      description: "false: no storage node is asked, sessions live in this server's memory only.",
      read: ({ enabled }) => enabled,
      change: (enabled) => ({ enabled }),
    }),
    StatisticsEnabled: setting(managed, {
      type: boolean(),
      description: 'Whether counters and timings are kept.',
      read: ({ statistics }) => statistics,
      change: (statistics) => ({ statistics }),
    }),
    IdleTimeout: setting(managed, {
      type: long({ min: 0, max: longest.idle }),
      description: 'Milliseconds without use after which new sessions end; 0: never, otherwise at least 100.',
      read: ({ idleTimeout }) => idleTimeout,
      change: (idleTimeout) => ({ idleTimeout }),
    }),
    AbsoluteTimeout: setting(managed, {
      type: long({ min: 0, max: longest.idle }),
      description: 'Milliseconds after which new sessions end however much they are used; 0: never.',
      read: ({ absoluteTimeout }) => absoluteTimeout,
      change: (absoluteTimeout) => ({ absoluteTimeout }),
    }),
    TrustFor: setting(managed, {
      type: long({ min: 0, max: longest.day }),
      description: 'Milliseconds that this server uses its copy of a session without asking the storage (sticky).',
      read: ({ trustFor }) => trustFor,
      change: (trustFor) => ({ trustFor }),
    }),
    MaxActiveSessions: setting(managed, {
      type: long({ min: 0, max: 1_000_000_000 }),
      description: 'Sessions that this server holds at most (sticky); 0: no limit.',
      read: ({ maxActiveSessions }) => maxActiveSessions,
      change: (maxActiveSessions) => ({ maxActiveSessions }),
    }),
    MaxSessionBytes: setting(managed, {
      type: long({ min: 64 * 1024, max: largestValueBytes }),
      description: 'Bytes of the largest session that is stored, as it is stored.',
      read: ({ maxSessionBytes }) => maxSessionBytes,
      change: (maxSessionBytes) => ({ maxSessionBytes }),
    }),
    Rolling: setting(managed, {
      type: boolean(),
      description: 'Whether the cookie is sent with every response.',
      read: ({ rolling }) => rolling,
      change: (rolling) => ({ rolling }),
    }),
    IgnorePattern: setting(managed, {
      type: string({ maxLength: 1000 }),
      description: 'Requests whose URL (path and query) matches get no session; empty: none.',
      read: ({ ignore }) => patternText(ignore),
      change: (text) => ({ ignore: patternOption(text) }),
    }),
    AttributeFilter: setting(managed, {
      type: string({ maxLength: 1000 }),
      description: 'Names of the attributes that are backed up; empty: all.',
      read: ({ attributes }) => patternText(attributes),
      change: (text) => ({ attributes: patternOption(text) }),
    }),
  }
}

export function backupSettings(managed: Managed) {
  return {
    BackupMode: setting(managed, {
      type: choice('async', 'sync'),
      description: 'async: changed sessions are stored after the response; sync: before it ends.',
      read: ({ backup }) => backup.mode,
      change: (mode) => ({ backup: { mode } }),
    }),
    BackupTimeout: setting(managed, {
      type: long({ min: 1, max: longest.minute }),
      description: 'Milliseconds that a response waits for its backup, for room in the queue or for a verification.',
      read: ({ backup }) => backup.timeout,
      change: (timeout) => ({ backup: { timeout } }),
    }),
    BackupReplicas: setting(managed, {
      type: long({ min: 1, max: 5 }),
      description: 'Copies of a session, each on a storage node of its own (non-sticky).',
      read: ({ backup }) => backup.replicas,
      change: (replicas) => ({ backup: { replicas } }),
    }),
    BackupDelay: setting(managed, {
      type: long({ min: 0, max: 1000 }),
      description: 'Milliseconds that a change waits for others, to be sent together (async).',
      read: ({ backup }) => backup.delay,
      change: (delay) => ({ backup: { delay } }),
    }),
    TouchAfter: setting(managed, {
      type: double({ min: 0, max: 0.5 }),
      description:
        'Share of the idle timeout, above 0, after which the stored life of a session that is read only is renewed.',
      read: ({ backup }) => backup.touchAfter,
      change: (touchAfter) => ({ backup: { touchAfter } }),
    }),
    OnUnstorable: setting(managed, {
      type: choice('fail', 'report'),
      description: "What becomes of a response that waits for the storage when its change can't be stored at all.",
      read: ({ backup }) => backup.onUnstorable,
      change: (onUnstorable) => ({ backup: { onUnstorable } }),
    }),
    ProtectRate: setting(managed, {
      type: long({ min: 1, max: 1_000_000 }),
      description: 'Sessions a second that background protection stores at most.',
      read: ({ backup }) => backup.protectRate,
      change: (protectRate) => ({ backup: { protectRate } }),
    }),
  }
}

export function nodeSettings(managed: Managed) {
  return {
    Nodes: setting(managed, {
      type: string(),
      description:
        'The storage nodes, such as n1:memcached://host:11211 n2:host:11212. Credentials are shown as [redacted], which is refused when it is written back.',
      read: ({ nodes }) => printNodeList(nodes),
      change: (text) => ({ nodes: checkNodeList(text) }),
      audited: auditedNodeList,
      writeRight: 'nodes',
    }),
    FailoverNodes: setting(managed, {
      type: string(),
      description: 'Ids of nodes that are used only while no other is up, apart by spaces; empty: none.',
      read: ({ failoverNodes }) => failoverNodes.join(' '),
      change: (text) => ({ failoverNodes: text.split(/[\s,]+/).filter((id) => id !== '') }),
      audited: (value) => auditedNodeIds(value, idsOf(managed)),
    }),
    OperationTimeout: setting(managed, {
      type: long({ min: 1, max: longest.minute }),
      description: 'Milliseconds that one operation on a storage node may take.',
      read: ({ operationTimeout }) => operationTimeout,
      change: (operationTimeout) => ({ operationTimeout }),
    }),
    ProbeInterval: setting(managed, {
      type: long({ min: 10, max: longest.hour }),
      description: 'Milliseconds between two probes of a storage node.',
      read: ({ probeInterval }) => probeInterval,
      change: (probeInterval) => ({ probeInterval }),
    }),
  }
}

function idsOf({ manager }: Managed): string[] {
  return manager.context.settings.nodes.flatMap(({ id }) => id ?? [])
}
