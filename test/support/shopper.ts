import { setTimeout as sleep } from 'node:timers/promises'
import type { Express } from 'express'
import { type AppServer, sessionOf } from './app-server.js'
import type { Random } from './random.js'
import { SessionHistory } from './session-history.js'
import { type Answer, Visitor } from './visitor.js'

type Attributes = Record<string, unknown>

/** A request of a shopper, and what came of it. */
export interface ShopperRequest {
  readonly began: number
  readonly server: string
  readonly what: string
  ended: number
  /** `undefined`: there was no answer. */
  status: number | undefined
  body: string
}

/** Attributes that each tab has for itself. */
const ownAttributes = 4
/** Requests take up to so many milliseconds between reading and changing the session, so that those of several tabs overlap. */
const longestHandler = 20

/** What a server needs for shoppers. None of it begins a session but `/log-in`. */
export function shopperRoutes(app: Express): void {
  app.post('/log-in', (req, res) => {
    sessionOf(req).shopper = req.body.shopper
    res.json({})
  })
  app.post('/visit', async (req, res) => {
    const session = sessionOf(req)
    const { cookie: _cookie, ...found } = session as Attributes
    if (found.shopper !== undefined) {
      await sleep(req.body.takes)
      for (const [name, value] of Object.entries(req.body.changes)) {
        if (value === null) delete session[name]
        else session[name] = value
      }
    }
    res.json(found)
  })
  app.post('/log-out', async (req, res) => {
    const session = sessionOf(req)
    if (session.shopper === undefined) return void res.json({ ended: 'before' })
    const ended = await session.destroy({ durable: true }).then(
      () => 'everywhere',
      () => 'somewhere',
    )
    res.json({ ended })
  })
}

/** A visitor with one session and several tabs, each of which sets and removes attributes of its own. */
export class Shopper {
  readonly name: string
  readonly browser = new Visitor()
  readonly history: SessionHistory
  readonly requests: ShopperRequest[] = []
  /** Sessions of others that were served to this one. */
  readonly mixUps: string[] = []
  /** `over`: the logout has begun; what comes of it is in the history. */
  state: 'new' | 'open' | 'over' = 'new'
  private values = 0

  constructor(name: string) {
    this.name = name
    this.history = new SessionHistory(name)
  }

  /** @returns whether it has a session now. */
  async logIn(server: AppServer): Promise<boolean> {
    const { answer } = await this.ask(server, '/log-in', { shopper: this.name }, 'log in')
    if (answer?.status === 200) this.state = 'open'
    return this.state === 'open'
  }

  /** One request of a tab: two of three change an attribute. */
  async visit(tab: number, server: AppServer, random: Random): Promise<void> {
    const attribute = `tab${tab}_${random(ownAttributes)}`
    const value = random(3) === 0 ? undefined : `${tab}/${++this.values}`
    const takes = random(longestHandler)
    if (random(3) === 0) {
      await this.look(server, takes)
      return
    }
    const write = this.history.write(attribute, value, performance.now())
    const changes = { [attribute]: value ?? null }
    const { answer } = await this.ask(server, '/visit', { changes, takes }, `${attribute} = ${value ?? 'nothing'}`)
    if (answer === undefined) return
    write.answered = performance.now()
    if (answer.status === 200) write.acknowledged = write.answered
  }

  /** Reads the session and changes nothing. @returns whether it was answered. */
  async look(server: AppServer, takes = 0): Promise<boolean> {
    const { answer } = await this.ask(server, '/visit', { changes: {}, takes }, 'look')
    return answer?.status === 200
  }

  /** Reads what has to be there once everything is healed. @returns whether it was answered. */
  async lookAtTheEnd(server: AppServer): Promise<boolean> {
    const { answer, began } = await this.ask(server, '/visit', { changes: {}, takes: 0 }, 'look at the end')
    if (answer?.status !== 200) return false
    this.history.readAtTheEnd({ server: routeOf(server), began, values: this.own(answer.json()) })
    return true
  }

  async logOut(server: AppServer): Promise<void> {
    this.state = 'over'
    this.history.endBegins(performance.now())
    const { answer } = await this.ask(server, '/log-out', {}, 'log out')
    if (answer?.status !== 200) return
    const { ended } = answer.json<{ ended: string }>()
    if (ended === 'everywhere') this.history.endIsAcknowledged(performance.now())
    if (ended === 'somewhere') this.history.endIsKept(() => true)
  }

  get isOver(): boolean {
    return this.state === 'over'
  }

  /** What its requests show and must not. */
  violations(): string[] {
    return [...new Set([...this.mixUps, ...this.history.violations()])]
  }

  private async ask(
    server: AppServer,
    path: string,
    body: object,
    what: string,
  ): Promise<{ answer: Answer | undefined; began: number }> {
    const began = performance.now()
    const request: ShopperRequest = { began, server: routeOf(server), what, ended: began, status: undefined, body: '' }
    this.requests.push(request)
    const answer = await this.browser.post(`${server.url}${path}`, body).catch(() => undefined)
    Object.assign(request, { ended: performance.now(), status: answer?.status, body: answer?.body ?? '' })
    if (path === '/visit' && answer?.status === 200) {
      this.history.read({ server: request.server, began, values: this.own(answer.json()) })
    }
    return { answer, began }
  }

  /** The attributes of the own session; of another one, or of none, there are none. */
  private own(found: Attributes): Attributes | undefined {
    if (found.shopper === this.name) return found
    if (found.shopper !== undefined) this.mixUps.push(`mix-up: ${this.name} was served the session of ${found.shopper}`)
    return undefined
  }
}

function routeOf({ sessions }: AppServer): string {
  return sessions.toJSON().route ?? ''
}
