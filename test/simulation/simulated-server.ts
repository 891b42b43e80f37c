import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../src/clock.js'
import type { Settings } from '../../src/config/settings.js'
import { ManagerContext } from '../../src/manager/context/manager-context.js'
import { within } from '../../src/manager/context/within.js'
import { ServerSessions } from '../../src/manager/server-sessions.js'
import { SessionUse, type SessionUseScope } from '../../src/manager/session-use.js'
import type { WatchedNode } from '../../src/placement/watched-node.js'
import type { Session } from '../../src/session/session.js'
import { parseSessionId, type SessionId } from '../../src/session-id/session-id.js'
import { SimulatedNode, type SimulatedStorage } from './simulated-storage.js'
import type { Happening, World } from './world.js'

export type SessionLike = Session & Record<string, unknown>

/** What a visitor gets. */
export interface Answer {
  status: 'ok' | 'unavailable' | 'no answer'
  /** The id that the browser has afterwards. */
  cookie: string | undefined
  /** The storage has what was changed. */
  stored: boolean
  /** Whether it has it one day: of a process that dies before, it never resolves. Only where it has not. */
  later?: Promise<boolean>
}

/** One server process: a whole manager, with a clock, nodes and visitors that the simulation gives it. */
export class SimulatedServer {
  readonly route: string
  /** Counts the processes that have run under this route; 0: none runs. */
  life = 0
  private lives = 0
  private readonly crashed = new Set<number>()
  private readonly world: World
  private settings: Settings
  private readonly storages: readonly SimulatedStorage[]
  private readonly cutUntil = new Map<string, number>()
  private pausedUntil = 0
  private manager: ServerSessions | undefined

  constructor(world: World, route: string, settings: Settings, storages: readonly SimulatedStorage[]) {
    this.world = world
    this.route = route
    this.settings = settings
    this.storages = storages
  }

  get isRunning(): boolean {
    return this.life !== 0
  }

  get operationTimeout(): number {
    return this.settings.operationTimeout
  }

  start(): void {
    this.life = ++this.lives
    this.pausedUntil = 0
    const context = new ManagerContext(this.settings, this.clock(this.life), this.world.random)
    this.manager = new ServerSessions(context, (address) => {
      const storage = this.storages.find(({ id }) => id === address.id) as SimulatedStorage
      return new SimulatedNode(this.world, this, storage)
    })
    this.manager.start()
  }

  /** As by SIGKILL: nothing that was under way goes on. */
  crash(): void {
    this.crashed.add(this.life)
    this.end()
  }

  /** Whether what that process had in memory alone was lost with it. */
  wasLost(life: number): boolean {
    return this.crashed.has(life)
  }

  /** As by SIGTERM. */
  async close(): Promise<void> {
    const { manager, life } = this
    const report = await manager?.close(10_000)
    /* It has said that there is something that it could not store. */
    if (report?.unsaved !== 0) this.crashed.add(life)
    if (this.life === life) this.end()
  }

  /** As by SIGSTOP: what it should have done meanwhile it does when it wakes up. */
  pause(ms: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.world.now + ms)
  }

  cutFrom(node: string, ms: number): void {
    this.cutUntil.set(node, this.world.now + ms)
  }

  /** Now, or so lately that this server may not have noticed the end of it. */
  wasCutFrom(node: string): boolean {
    return (this.cutUntil.get(node) ?? 0) > this.world.now - 6000
  }

  isCutFrom(node: string): boolean {
    return (this.cutUntil.get(node) ?? 0) > this.world.now
  }

  /** Runs something in that process, when it is not paused; never, when that process has ended. */
  whenRunning(life: number, run: () => void): void {
    if (this.life !== life) return
    const wait = this.pausedUntil - this.world.now
    if (wait > 0) this.world.after(wait, () => this.whenRunning(life, run))
    else run()
  }

  /** As by an operator, at run time. */
  reconfigure(settings: Settings): void {
    this.settings = settings
    if (this.manager === undefined) return
    this.manager.context.settings = settings
    this.manager.settingsChanged(true)
  }

  /** Ends every session that was created until now. */
  async endAll(): Promise<boolean> {
    return (await this.manager?.endAllBefore(Math.floor(this.world.now))) ?? false
  }

  drain(node: string): void {
    const found = this.nodeOf(node)
    if (found !== undefined) this.manager?.nodes.drain(found)
  }

  undrain(node: string): void {
    const found = this.nodeOf(node)
    if (found !== undefined) this.manager?.nodes.undrain(found)
  }

  /** A request, from the cookie that came to the one that goes. A process that dies on the way gives no answer. */
  async request(cookie: string | undefined, work: (session: SessionLike) => Promise<void>): Promise<Answer> {
    await this.running()
    const manager = this.manager as ServerSessions
    const { clock } = manager.context
    let state: Awaited<ReturnType<ServerSessions['open']>>
    try {
      state = cookie === undefined ? undefined : await manager.open(parseSessionId(cookie) as SessionId)
    } catch {
      return { status: 'unavailable', cookie, stored: false }
    }
    const scope = new RequestScope(manager)
    scope.handle = new SessionUse(manager, state, scope)
    try {
      await work(scope.handle.session as SessionLike)
    } catch {
      scope.handle?.release()
      return { status: 'unavailable', cookie, stored: false }
    }
    const { handle } = scope as { handle: SessionUse | undefined }
    if (handle === undefined) return { status: 'ok', cookie: undefined, stored: true }
    const changed = handle.commit() !== 'unchanged'
    const used = handle.state
    if (used === undefined || used.isBlank) {
      handle.release()
      return { status: 'ok', cookie, stored: true }
    }
    if (changed && manager.storesFirst) await within(clock, manager.stored(used), manager.storeTimeout)
    const stored = manager.isStored(used)
    const answer: Answer = { status: 'ok', cookie: used.id, stored, ...(!stored && { later: manager.stored(used) }) }
    handle.release()
    return answer
  }

  /** A job with a session, outside of a request. @returns whether the change was stored. */
  async job(cookie: string, work: (session: SessionLike) => void): Promise<boolean> {
    await this.running()
    const manager = this.manager as ServerSessions
    try {
      const state = await manager.open(parseSessionId(cookie) as SessionId)
      if (state === undefined) return false
      const { session } = new SessionUse(manager, state, undefined)
      work(session as SessionLike)
      await session.save()
      return manager.isStored(state)
    } catch {
      return false
    }
  }

  /* A process that stands still takes nothing in. */
  private running(): Promise<void> {
    return new Promise((resolve) => this.whenRunning(this.life, resolve))
  }

  private end(): void {
    this.life = 0
    this.manager = undefined
  }

  private nodeOf(id: string): WatchedNode | undefined {
    return this.manager?.context.placement.byName(id)
  }

  private clock(life: number): Clock {
    const { world } = this
    const after = (callback: () => void, ms: number) => world.after(ms, () => this.whenRunning(life, callback))
    const cancel = (timer: unknown) => {
      if (timer !== undefined) (timer as Happening).run = undefined
    }
    return {
      now: () => world.now,
      monotonic: () => world.now,
      setTimeout: after,
      clearTimeout: cancel,
      setInterval: (callback, ms) => new Repeating(world, (run) => this.whenRunning(life, run), callback, ms),
      clearInterval: (timer) => (timer as Repeating | undefined)?.stop(),
      defer: (callback) => void after(callback, 0),
      inBackground: (work) => work(),
    }
  }
}

class Repeating {
  private stopped = false
  private readonly world: World

  constructor(world: World, deliver: (run: () => void) => void, callback: () => void, ms: number) {
    this.world = world
    const again = (): void => {
      this.world.after(ms, () =>
        deliver(() => {
          if (this.stopped) return
          callback()
          again()
        }),
      )
    }
    again()
  }

  stop(): void {
    this.stopped = true
  }

  unref(): this {
    return this
  }
}

/** What a session needs to know of its request; the response is the `Answer`. */
class RequestScope implements SessionUseScope {
  readonly req = {} as IncomingMessage
  readonly cookieDefaults
  handle: SessionUse | undefined

  constructor({ context }: ServerSessions) {
    this.cookieDefaults = context.settings.cookie
  }

  onUse(): void {}
  onPossibleChange(): void {}
  onCookieUse(): void {}
  onLock(): void {}

  onReplace(handle: SessionUse | undefined): void {
    this.handle = handle
  }
}
