import fc from 'fast-check'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import type { Settings } from '../../src/config/settings.js'
import { silentLogger } from '../../src/logger.js'
import { parseSessionId } from '../../src/session-id/session-id.js'
import { SessionHistory } from '../support/session-history.js'
import { type Answer, type SessionLike, SimulatedServer } from './simulated-server.js'
import { type Kept, SimulatedStorage, type StorageKind, type StoragePlants } from './simulated-storage.js'
import { World } from './world.js'

/** What may happen beside visits. */
export const troubles = [
  'flap',
  'logout',
  'job',
  'cut',
  'hang',
  'restart',
  'crash',
  'deploy',
  'pause',
  'drain',
  'mode',
  'nodes',
] as const
export type Trouble = (typeof troubles)[number]

export interface Configuration {
  mode: 'sticky' | 'non-sticky'
  backup: 'async' | 'sync'
  storage: StorageKind
  nodes: number
  servers: number
  /** Copies in non-sticky mode. Default: 2, or 1 with one node. */
  copies?: number
  troubles: readonly Trouble[]
  plants?: StoragePlants
}

/** One thing that happens, `gap` milliseconds after the one before. What the numbers name follows from the kind. */
export interface Step {
  kind: 'visit' | Trouble
  gap: number
  visitor: number
  server: number
  node: number
  attribute: number
  ms: number
  kept: Kept
}

const visitors = 2
const attributes = ['x', 'y', 'z']
/** How long one trouble is given to be mended before the next one of those that take data away, in milliseconds. */
const mending = 20_000
/** How long copies may be incomplete after a way to a node is open again, in milliseconds. */
const repair = 8000
const longestHandler = 300
/** One request in so many is a slow one, and takes as long as the step's time says. */
const slowOnes = 8
/** How long sessions live of which nobody says anything else, in milliseconds: until a server knows a session, it takes it for one of those. */
const ordinaryLife = 2000
/** How long those of the visitors do, in milliseconds: longer than a history. */
const visitorsLife = 600_000

/** The steps of one history. */
export function steps(configuration: Configuration): fc.Arbitrary<Step[]> {
  const visit = { arbitrary: fc.constant('visit' as Step['kind']), weight: 3 * configuration.troubles.length + 3 }
  const kind = fc.oneof(
    visit,
    ...configuration.troubles.map((trouble) => ({ arbitrary: fc.constant<Step['kind']>(trouble), weight: 2 })),
  )
  const step = fc.record({
    kind,
    gap: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 4000 })),
    visitor: fc.nat(visitors - 1),
    server: fc.nat(configuration.servers - 1),
    node: fc.nat(configuration.nodes - 1),
    attribute: fc.nat(attributes.length - 1),
    ms: fc.integer({ min: 1, max: 8000 }),
    kept: fc.constantFrom<Kept>('all', 'nothing', 'snapshot'),
  })
  return fc.array(step, { minLength: 1, maxLength: 40, size: 'max' })
}

const settingsOf = new Map<string, Settings>()

/** @param left numbers of the nodes that are in the configuration */
function settings(
  { backup, storage, copies }: Configuration,
  mode: Configuration['mode'],
  left: readonly number[],
  route: string,
): Settings {
  const key = JSON.stringify([mode, backup, storage, copies, left, route])
  const known = settingsOf.get(key)
  if (known !== undefined) return known
  const options: HoldfastOptions = {
    secret: 'a secret of the simulation, long enough',
    mode,
    route,
    trustFor: 0,
    idleTimeout: ordinaryLife,
    logger: silentLogger,
    statistics: false,
    backup: { mode: backup, ...(copies === undefined ? {} : { replicas: copies }) },
    nodes: left.map((i) => ({ id: `n${i + 1}`, url: `${storage}://127.0.0.1:${i + 1}` })),
  }
  const parsed = parseSettings(options)
  settingsOf.set(key, parsed)
  return parsed
}

interface Visitor {
  cookie: string
  session: SessionHistory
}

/** One history: servers, storages and visitors in one process, under one schedule that follows from the seed. */
export class Simulation {
  private readonly configuration: Configuration
  private readonly world: World
  private readonly storages: SimulatedStorage[]
  private readonly servers: SimulatedServer[]
  private readonly visitors: Visitor[] = []
  private values = 0
  private troubledUntil = 0
  private aloneUntil = 0
  private pausedUntil = 0
  private refillingUntil = 0
  private mode: Configuration['mode']
  private left: number[]
  private readonly drainedUntil: number[] = []
  /** Acknowledges what was answered and not stored yet, where it was not lost. */
  private readonly unstored: (() => void)[] = []

  constructor(configuration: Configuration, seed: number) {
    this.configuration = configuration
    this.world = new World(seed)
    const { mode, storage, nodes, servers, plants = {} } = configuration
    this.mode = mode
    this.left = numbered(nodes, (i) => i)
    this.storages = numbered(nodes, (i) => new SimulatedStorage(this.world, `n${i + 1}`, storage, plants))
    this.servers = numbered(servers, (i) => {
      const route = String.fromCharCode(97 + i)
      return new SimulatedServer(this.world, route, settings(configuration, mode, this.left, route), this.storages)
    })
  }

  /** @returns what the history shows and must not. */
  async run(list: readonly Step[]): Promise<string[]> {
    for (const server of this.servers) server.start()
    await this.world.run(1000)
    for (let i = 0; i < visitors; i++) void this.logIn(i)
    await this.world.run(1000)
    for (const step of list) {
      await this.world.run(step.gap)
      this.take(step)
    }
    await this.world.run(10_000)
    await this.mend()
    for (const acknowledge of this.unstored) acknowledge()
    await this.readEverything()
    return this.visitors.flatMap(({ session }) => session.violations())
  }

  /** What the storages have at the end: the same for every run of the same steps under the same seed. */
  contents(): [string, string][] {
    return this.storages.flatMap((storage) =>
      Array.from(storage.contents(), ([key, bytes]): [string, string] => [
        `${storage.id} ${key}`,
        bytes.toString('hex'),
      ]),
    )
  }

  private async logIn(name: number): Promise<void> {
    const session = new SessionHistory(name)
    const server = this.servers[name % this.servers.length] as SimulatedServer
    const answer = await server.request(undefined, async (data) => {
      data.born = name
      data.cookie.maxAge = visitorsLife
    })
    this.visitors.push({ session, cookie: answer.cookie as string })
  }

  private take(step: Step): void {
    const { visitor: who, server: where, node: which, ms, kept, attribute } = step
    const visitor = this.visitors[who]
    const server = this.servers[where] as SimulatedServer
    const storage = this.storages[which] as SimulatedStorage
    if (visitor === undefined) return
    const name = attributes[attribute] as string
    if (step.kind === 'visit') void this.visit(visitor, this.placeOf(visitor, server), name, ms)
    if (step.kind === 'flap') void this.visit(visitor, server, name, ms)
    if (step.kind === 'logout') void this.logOut(visitor, ms % 2 === 0 ? server : this.placeOf(visitor, server))
    if (step.kind === 'job') void this.work(visitor, this.placeOf(visitor, server), name)
    if (step.kind === 'cut') this.cut(server, storage.id, ms)
    if (step.kind === 'hang' && this.mayTrouble(ms)) storage.hangsUntil = this.world.now + ms
    if (step.kind === 'restart') this.restart(storage, ms, kept)
    if (step.kind === 'crash' || step.kind === 'deploy') this.replace(server, step.kind, ms)
    if (step.kind === 'pause') this.pause(server, ms)
    if (step.kind === 'drain') this.drain(server, which, ms)
    if (step.kind === 'mode') this.switchMode(ms)
    if (step.kind === 'nodes') this.changeNodes(which, ms)
  }

  /* A balancer goes by the route, and to another server while that one is away. */
  private placeOf(visitor: Visitor, other: SimulatedServer): SimulatedServer {
    if (this.mode === 'non-sticky') return other
    const route = parseSessionId(visitor.cookie)?.route
    return this.servers.find((server) => server.route === route && server.isRunning) ?? other
  }

  private async visit(visitor: Visitor, server: SimulatedServer, attribute: string, ms: number): Promise<void> {
    if (!server.isRunning) return
    const { world } = this
    const { session, cookie } = visitor
    const { life } = server
    const began = world.now
    const writes = ms % 4 > 0 ? [session.write(attribute, ++this.values, began)] : []
    const answer = await server.request(cookie, async (data) => {
      const values = valuesOf(data)
      /* In sticky mode what is in memory goes on when no storage answers; that the session has ended elsewhere can't be known then. */
      if (values === undefined || this.mode !== 'sticky' || !this.isOnItsOwn(server))
        session.read({ server: server.route, began, values })
      if (data.born === undefined) return
      await world.pause(ms % slowOnes === 1 ? ms : ms % longestHandler)
      for (const { value } of writes) data[attribute] = value
    })
    this.takeAnswer(visitor, answer)
    const acknowledge = (at: number) => {
      for (const write of writes) write.acknowledged = at
    }
    if (answer.stored) acknowledge(world.now)
    else if (answer.status === 'ok' && this.configuration.backup === 'async')
      this.acknowledgeUnlessLost(server, life, answer, acknowledge)
  }

  /* What is stored behind the answer is promised unless the process dies before: by the time it is stored, or by the process that lives on. */
  private acknowledgeUnlessLost(
    server: SimulatedServer,
    life: number,
    { later }: Answer,
    acknowledge: (at: number) => void,
  ): void {
    const { now } = this.world
    void later?.then((isStored) => {
      if (isStored) acknowledge(now)
    })
    this.unstored.push(() => {
      if (!server.wasLost(life)) acknowledge(now)
    })
  }

  private isOnItsOwn(server: SimulatedServer): boolean {
    return this.storages.every((storage) => server.wasCutFrom(storage.id) || storage.wasAway)
  }

  private async logOut(visitor: Visitor, server: SimulatedServer): Promise<void> {
    if (!server.isRunning) return
    const { session, cookie } = visitor
    session.endBegins(this.world.now)
    const { life } = server
    let ended = 'nowhere' as 'everywhere' | 'somewhere' | 'nowhere'
    const answer = await server.request(cookie, async (data) => {
      if (data.born === undefined) return
      await data.destroy({ durable: true }).then(
        () => {
          ended = 'everywhere'
        },
        () => {
          ended = 'somewhere'
        },
      )
    })
    if (answer.status !== 'ok') return
    if (ended === 'everywhere') session.endIsAcknowledged(this.world.now)
    /* It is written to the other nodes as soon as they answer, unless this server goes before. */ else if (
      ended === 'somewhere'
    )
      session.endIsKept(() => server.life === life)
  }

  private async work(visitor: Visitor, server: SimulatedServer, attribute: string): Promise<void> {
    if (!server.isRunning) return
    const write = visitor.session.write(attribute, ++this.values, this.world.now)
    const stored = await server.job(visitor.cookie, (data) => {
      if (data.born !== undefined) data[attribute] = write.value
    })
    if (stored) write.acknowledged = this.world.now
  }

  private takeAnswer(visitor: Visitor, { cookie, status }: Answer): void {
    if (status === 'ok' && cookie !== undefined) visitor.cookie = cookie
  }

  private restart(storage: SimulatedStorage, ms: number, kept: Kept): void {
    const keeps = kept === 'all' && storage.kind === 'redis'
    const { nodes, copies } = this.configuration
    if (!keeps && this.mode === 'non-sticky' && (nodes === 1 || copies === 1)) return
    if (!keeps && (this.world.now < this.aloneUntil || this.world.now < this.pausedUntil)) return
    if (!this.mayTrouble(ms)) return
    if (!keeps) this.refillingUntil = this.world.now + ms + repair
    storage.takeSnapshot()
    storage.stop()
    this.world.after(ms, () => storage.start(kept))
  }

  /* What a server without a way to one of two nodes stores is on the other one alone, until the copies are complete again. */
  private cut(server: SimulatedServer, node: string, ms: number): void {
    /* One that is out of reach for longer than ten seconds counts as lost. */
    if (server.wasCutFrom(node)) return
    server.cutFrom(node, ms)
    if (this.configuration.nodes < 3) this.aloneUntil = Math.max(this.aloneUntil, this.world.now + ms + repair)
  }

  /* Who stands still gives a node nothing back, and is not waited for longer than that. */
  private pause(server: SimulatedServer, ms: number): void {
    if (this.world.now < this.refillingUntil) return
    this.pausedUntil = Math.max(this.pausedUntil, this.world.now + ms)
    server.pause(ms)
  }

  private replace(server: SimulatedServer, kind: 'crash' | 'deploy', ms: number): void {
    if (!server.isRunning || !this.mayTrouble(ms)) return
    const again = () => {
      if (!server.isRunning) server.start()
    }
    if (kind === 'crash') {
      server.crash()
      this.world.after(ms, again)
    } else void server.close().then(() => this.world.after(ms, again))
  }

  /* Without a second node there is one copy only, as when a node is lost. */
  private drain(server: SimulatedServer, which: number, ms: number): void {
    const { now } = this.world
    const others = this.left.filter((i) => i !== which && !((this.drainedUntil[i] ?? 0) > now))
    if (this.mode === 'non-sticky' && others.length < 2 && !this.mayTrouble(ms)) return
    const node = this.storages[which]?.id as string
    this.drainedUntil[which] = Math.max(this.drainedUntil[which] ?? 0, now + ms + repair)
    server.drain(node)
    this.world.after(ms, () => server.undrain(node))
  }

  /* From server to server, as a script of an operator does it. Until there are two copies of all, nothing else may be lost. */
  private switchMode(ms: number): void {
    if (!this.mayTrouble(ms)) return
    this.mode = this.mode === 'sticky' ? 'non-sticky' : 'sticky'
    this.reconfigure(ms)
  }

  /* One node is taken out of the configuration, and comes back later. */
  private changeNodes(which: number, ms: number): void {
    if (this.configuration.nodes < 2 || this.left.length < this.configuration.nodes || !this.mayTrouble(2 * ms)) return
    this.left = this.left.filter((node) => node !== which)
    this.reconfigure(ms)
    this.world.after(ms + 5000, () => {
      this.left = numbered(this.configuration.nodes, (i) => i)
      this.reconfigure(ms)
    })
  }

  private reconfigure(ms: number): void {
    this.servers.forEach((server, i) => {
      this.world.after(i * (ms % 50), () => {
        server.reconfigure(settings(this.configuration, this.mode, this.left, server.route))
      })
    })
  }

  /* Two losses at once are more than is promised. */
  private mayTrouble(ms: number): boolean {
    if (this.world.now < this.troubledUntil) return false
    this.troubledUntil = this.world.now + ms + mending
    return true
  }

  private async mend(): Promise<void> {
    for (const storage of this.storages) if (!storage.isUp) storage.start('all')
    for (const server of this.servers) {
      if (!server.isRunning) server.start()
      for (const { id } of this.storages) server.undrain(id)
    }
    await this.world.run(mending)
  }

  private async readEverything(): Promise<void> {
    for (const visitor of this.visitors) {
      for (const server of this.servers) {
        const began = this.world.now
        void server.request(visitor.cookie, async (data) => {
          visitor.session.readAtTheEnd({ server: server.route, began, values: valuesOf(data) })
        })
        await this.world.run(1000)
      }
    }
  }
}

function valuesOf(data: SessionLike): Record<string, unknown> | undefined {
  return data.born === undefined ? undefined : { x: data.x, y: data.y, z: data.z }
}

function numbered<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

export interface Finding {
  histories: number
  violations: string[]
  seed: number
  /** As few as the violation needs. */
  steps: Step[]
}

/** Runs histories until one shows a violation. @returns that one, shrunk; `undefined`: none did. */
export async function findViolation(
  configuration: Configuration,
  { histories, seed, shrink = true }: { histories: number; seed: number; shrink?: boolean },
): Promise<Finding | undefined> {
  const property = fc.asyncProperty(steps(configuration), fc.integer(), async (list, schedule) => {
    const violations = await new Simulation(configuration, schedule).run(list)
    if (violations.length > 0) throw new Error(violations.join('\n'))
  })
  const result = await fc.check(property, { numRuns: histories, seed, endOnFailure: !shrink })
  if (!result.failed) return undefined
  const [list, schedule] = result.counterexample as [Step[], number]
  const violations = await new Simulation(configuration, schedule).run(list)
  return { histories: result.numRuns, violations, seed: schedule, steps: list }
}
