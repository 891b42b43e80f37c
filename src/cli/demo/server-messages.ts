import type { Mode } from '../../config/settings.js'
import type { CloseReport, ServerStats } from './server-stats.js'

/** From the demo to a server process. */
export interface Question {
  ask: 'stats' | 'flush'
  number: number
}

/** From a server process to the demo. */
export type ServerMessage =
  | { is: 'listening' }
  | { is: 'event'; name: string; payload: unknown }
  | { is: 'answer'; number: number; stats: ServerStats }
  | { is: 'closed'; report: CloseReport }

/** What a server process is told when it starts; travels in its environment, as arguments are visible to everybody. */
export interface ShopOptions {
  route: string
  mode: Mode
  host: string
  port: number
  /** As the configuration key `nodes`. */
  nodes: string
  secret: string
}

export const OPTIONS_VARIABLE = 'HOLDFAST_DEMO_SERVER'
