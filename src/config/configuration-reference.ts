import type { z } from 'zod'
import { type KeyNotes, keyNotes } from './key.js'
import { fixedKeys, optionsSchema } from './schema.js'

/** The page `docs/configuration.md`, made from the schema. */
export function configurationReference(): string {
  const {
    cookie,
    backup,
    newcomers,
    wait,
    nearCache,
    activity,
    adopt,
    locking,
    compression,
    encryption,
    admin,
    ...keys
  } = optionsSchema.shape
  return [
    intro,
    '## Keys',
    'A change at run time goes through `sessions.reconfigure({ … })`; keys without a mark in that column are set at start.',
    keyTable(
      { ...keys, cookie, backup, newcomers, wait, nearCache, activity, adopt, locking, compression, encryption, admin },
      '',
    ),
    '### cookie',
    keyTable(cookie.unwrap().shape, 'cookie.'),
    '### backup',
    keyTable(backup.unwrap().shape, 'backup.'),
    '### locking',
    keyTable(locking.unwrap().shape, 'locking.'),
    '### compression',
    keyTable(compression.unwrap().shape, 'compression.'),
    '### encryption',
    keyTable(encryption.unwrap().shape, 'encryption.'),
    '### wait',
    keyTable(wait.unwrap().shape, 'wait.'),
    '### nearCache',
    keyTable(nearCache.unwrap().shape, 'nearCache.'),
    '### newcomers',
    keyTable(newcomers.unwrap().shape, 'newcomers.'),
    '### adopt',
    keyTable(adopt.unwrap().shape, 'adopt.'),
    '### activity',
    keyTable(activity.unwrap().shape, 'activity.'),
    codecs,
    '### admin',
    keyTable(admin.unwrap().shape, 'admin.'),
    administration,
    combinations,
    examples,
  ]
    .map((part) => part.trim())
    .join('\n\n')
    .concat('\n')
}

function keyTable(keys: Record<string, z.ZodType>, prefix: string): string {
  const rows = Object.entries(keys).map(([name, schema]) => keyRow(prefix + name, notesOf(prefix + name, schema)))
  return ['| key | value | default | at run time | meaning |', '|---|---|---|---|---|', ...rows].join('\n')
}

function keyRow(path: string, { type, default: otherwise, meaning }: KeyNotes): string {
  return `| \`${path}\` | ${type} | ${otherwise} | ${changes(path) ? 'yes' : ''} | ${meaning} |`
}

function notesOf(path: string, schema: z.ZodType): KeyNotes {
  const notes = keyNotes.get(schema)
  if (notes === undefined) throw new Error(`the key ${path} has no notes for the reference`)
  return notes
}

function changes(path: string): boolean {
  return !path.startsWith('admin.') && !['resave', 'store', ...fixedKeys].includes(path)
}

const intro = `
# Configuration

<!-- Made from src/config by \`npm run docs\`. Don't edit it by hand. -->

One set of keys, in a file or as an object. Only \`secret\` is required.

\`\`\`js
import { createSessionManager } from 'holdfast'

createSessionManager({ secret: process.env.SESSION_SECRET }) // an options object
createSessionManager('config/sessions.yaml') // a file
createSessionManager() // the file holdfast.config.* in the working directory
\`\`\`

Everything is checked at start. What can't be used is refused with one error that lists every problem: where it is, what stands
there, and what was expected. Unknown keys are problems too. \`holdfast check [file]\` does the same check from the command line,
prints the effective settings, and asks every storage node.

## Files

A file is YAML (\`.yaml\`, \`.yml\`), JSON (\`.json\`), or a JavaScript or TypeScript module (\`.js\`, \`.mjs\`, \`.cjs\`, \`.ts\`, \`.mts\`,
\`.cts\`). A module exports the options object as default or as \`config\`; it is loaded synchronously, so it can't use a top-level \`await\`.
Without a path, the file is found by its name, \`holdfast.config\` with one of these endings, in the working directory. If there are
several, that is an error, not a guess. Files larger than 1 MB are refused.

## Values from the environment

In every text of a file, \`\${NAME}\` is replaced by the environment variable, also inside a longer text. \`\${NAME:-default}\` gives the
default when the variable is not set or empty. A variable that is not set and has no default is an error. \`$\${\` stands for a plain \`\${\`.
Numbers and true or false may come from the environment: \`rolling: \${ROLLING:-false}\`. Options objects are taken as they are.

## Durations, sizes, patterns

* A **duration** is a text with a unit (\`100ms\`, \`10s\`, \`30m\`, \`1.5h\`, \`7d\`, \`2w\`) or a number of milliseconds.
* A **size** is a text with a unit (\`512KB\`, \`64MB\`, \`1GB\` in powers of 1000; \`512KiB\`, \`1MiB\`, \`1GiB\` in powers of 1024) or a number of bytes.
* A **pattern** is a regular expression: its plain text (\`^/assets/\`), \`/…/flags\` (\`/\\.(png|css)$/i\`), or a RegExp in JavaScript. A text that
  begins and ends with a slash is always read as the second form. It may match anywhere unless \`^\` and \`$\` hold it.

## Storage nodes

| address | storage |
|---|---|
| \`memcached://host:port\` | memcached; the port may be left out (11211) |
| \`memcached://user:password@host:port\` | memcached with a login (\`-Y\`, or SASL); escape special characters in the password as in URLs |
| \`memcacheds://[user:password@]host:port\` | memcached over TLS, see below |
| \`redis://[user:password@]host[:port][/database]\` | Redis or Valkey, 6.2 or later; port 6379, database 0; also with a password only: \`redis://:password@host\` |
| \`redis+sentinel://host[:port],host[:port]/name[/database]\` | the master of the group \`name\`, as these Sentinels (port 26379) tell; it is followed when it changes. Parameters: \`sentinelUsername\`, \`sentinelPassword\` |
| \`memcached:///path\`, \`redis+unix://[login@]/path[?database=0]\` | the same through a unix socket of this machine |
| \`redis+cluster://host[:port],host[:port]\` | a Redis cluster, found through these servers: one storage node |
| \`rediss://\`, \`rediss+sentinel://\`, \`rediss+cluster://\` | the same over TLS, see below |
| \`embedded://host:port\` | a storage node that a server carries with \`embed\` |
| \`memory://\` | this process: for tests and for a single server that may forget its sessions |

Each node has an id of letters, digits and \`_\`, which stands in session ids. Only a single node may do without one; then
session ids carry no node.

\`\`\`yaml
# A list
nodes:
  - { id: n1, url: memcached://10.0.0.1:11211 }
  - { id: n2, url: "memcached://app:\${MEMCACHED_PASSWORD}@10.0.0.2:11211" }
\`\`\`

\`\`\`yaml
# One text, with spaces or commas
nodes: n1:memcached://10.0.0.1:11211, n2:memcached://10.0.0.2:11211
\`\`\`

\`\`\`yaml
# The form of memcached-session-manager
nodes: n1:10.0.0.1:11211 n2:10.0.0.2:11211
failoverNodes: n2
\`\`\`

\`\`\`yaml
# Kinds may be mixed
nodes: n1:redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/sessions n2:memcached://10.0.0.4
\`\`\`

In one text, a comma inside a Sentinel or cluster address is followed by a further host of it, unless an id (\`n2:\`) or a scheme
follows. Hosts may be separated by \`;\` instead, and spaces always end an address.

\`memcached://…?protocol=meta\` or \`?protocol=binary\` chooses memcached's protocol by hand, also for \`embedded://\`; else Holdfast finds out what the
server knows: [storage.md](storage.md#memcacheds-two-protocols).

Special characters in users, passwords and parameters are percent-encoded. With TLS (\`rediss\`, \`memcacheds\`), parameters name files and names:
\`rediss://redis.example?ca=/etc/ssl/redis-ca.pem&servername=redis.example&cert=…&key=…\`; \`ca\` holds the authorities to trust (default:
those that Node trusts), \`servername\` the name that the certificate is for (default: the host), \`cert\` and \`key\` the client's own
certificate. A certificate is always checked: for a self-signed one, give it as \`ca\`.
`

const codecs = `
## Codecs

What each codec keeps and costs, and how to change one while the site runs: [codecs.md](codecs.md).

| value | what it is |
|---|---|
| \`json\` or \`{ type: json }\` | JSON |
| \`{ type: json, dates: true }\` | JSON, and Dates stay Dates |
| \`msgpack\` or \`{ type: msgpack }\` | MessagePack |
| \`{ type: v8, trusted: true }\` | Node's structured clone; \`trusted\` says that nobody else can write to the storage |
| \`{ type: avro, schemas, previous, fallback }\` | Avro, with a schema for each attribute |
| \`./my-codec.js\` | a module that exports a codec as default or as \`codec\`; it begins with \`./\`, \`../\` or \`/\` |
| \`{ id, encode, decode }\` | an object of your own; only in JavaScript |
| \`{ default, attributes, alsoRead }\` | several at once |

Files are found from the working directory. In \`attributes\` the first pattern that matches an attribute's name counts. \`alsoRead\` lists
codecs that only read what was stored before a change; \`json\`, with and without dates, and \`msgpack\` are always read.

\`\`\`yaml
codec:
  default: json
  attributes:
    - pattern: ^(cart|wishlist)$
      codec: msgpack
    - pattern: ^user
      codec: { type: json, dates: true }
\`\`\`

For \`avro\`, \`schemas\` has a schema for each attribute: an object, the name of a type, or a file whose name begins as above or ends in \`.avsc\`.
\`previous\` has earlier ones, as a list or a folder of \`.avsc\` files. Attributes without a schema are written by \`fallback\`, by default \`json\`.
`

const administration = `
## Administration

Without the key \`admin\` there is none. Without credentials its server listens on loopback addresses only. A viewer reads; an operator also
changes what \`admin.readOnly\` and \`admin.allow\` leave open; \`values: true\` adds the
right to see values of session attributes, \`nodes: true\` the right to write \`Nodes\`.

\`\`\`yaml
admin:
  listen: 127.0.0.1:9400
  readOnly: false
  allow:
    - holdfast:type=SessionManager/*
    - holdfast:type=StorageNode,*/drain
  auth:
    users:
      - { name: ops, role: operator, password: "\${ADMIN_PASSWORD}" }
    tokens:
      - { name: prometheus, role: viewer, sha256: "\${PROMETHEUS_TOKEN_SHA256}" }
\`\`\`

A password stands there as a hash that \`holdfast hash-password\` prints, or plainly (at least 12 characters; it is hashed at start), which is
meant for the environment. A token is stored as its SHA-256 in hexadecimal: \`openssl rand -hex 32\` makes one, and
\`printf %s "$TOKEN" | sha256sum\` prints what goes here. Passwords and hashes are never printed.
`

const combinations = `
## What can't be combined

These are refused at start:

* an id in \`failoverNodes\` that no node has; failover nodes with a single node; failover nodes only;
* several nodes of which one has no id, or two with the same id;
* a \`wait.timeout\` of more than half of \`operationTimeout\`;
* \`nearCache\` without a node on Redis;
* \`cookie.sameSite: none\` or \`cookie.partitioned\` with \`cookie.secure: false\`: browsers drop such cookies;
* a cookie name that begins with \`__Secure-\` or \`__Http-\` with \`cookie.secure: false\`, or one that begins with \`__Http-\` or \`__Host-Http-\` with \`cookie.httpOnly: false\`, or one that begins with \`__Host-\` with \`secure: false\`, with a \`cookie.domain\`, or with
  another \`cookie.path\` than \`/\`;
* \`locking.mode: uri\` without a \`locking.pattern\`;
* \`compression.algorithm: zstd\` where Node has none, and a \`compression.level\` that the algorithm doesn't know;
* \`encryption.required\` without keys, or with \`encryption.write: false\`: the server would refuse its own records;
* an address in \`admin.listen\` that is no loopback address without credentials in \`admin.auth\`; a name in it that stands there twice;
  \`admin.allow\` with \`admin.readOnly: true\`.

What a function in \`cookie\` gives, or an application assigns to \`session.cookie\`, is checked when the cookie is about to be sent: one that
browsers would drop for these reasons, or for having more than 4096 bytes, is not sent, and a warning says why, at most once a minute.
`

const examples = `
## Examples

One of two servers with two memcached nodes, as YAML:

\`\`\`yaml
# holdfast.config.yaml
route: \${ROUTE} # app1, app2
secret:
  - \${SESSION_SECRET} # signs
  - \${PREVIOUS_SESSION_SECRET} # still verifies
nodes:
  - { id: n1, url: memcached://10.0.0.1 }
  - { id: n2, url: memcached://10.0.0.2 }
name: __Host-sid
cookie:
  secure: true
  sameSite: strict
idleTimeout: 30m
absoluteTimeout: 12h
backup:
  mode: async
  maxPendingBytes: 128MB
ignore: /\\.(png|jpg|css|js|ico)$/i
attributes: ^(?!tmp_)
\`\`\`

The same as an object:

\`\`\`js
import { createSessionManager } from 'holdfast'

const sessions = createSessionManager({
  route: process.env.ROUTE,
  secret: [process.env.SESSION_SECRET, process.env.PREVIOUS_SESSION_SECRET],
  nodes: [
    { id: 'n1', url: 'memcached://10.0.0.1' },
    { id: 'n2', url: 'memcached://10.0.0.2' },
  ],
  name: '__Host-sid',
  cookie: { secure: true, sameSite: 'strict' },
  idleTimeout: '30m',
  absoluteTimeout: '12h',
  backup: { mode: 'async', maxPendingBytes: '128MB' },
  ignore: /\\.(png|jpg|css|js|ico)$/i,
  attributes: /^(?!tmp_)/,
})
\`\`\`
`
