export type { Identified, Identify } from './admin/access/identify.js'
export type { Principal } from './admin/access/principal.js'
export type { AdminMount } from './admin/admin-router.js'
export type { AdminHandler } from './admin/http/admin-handler.js'
export type {
  AdminOptions,
  AvroOption,
  AvroSchemaOption,
  CodecOption,
  CodecsOption,
  ModulePath,
} from './config/options.js'
export type { HoldfastOptions } from './config/parse-settings.js'
export {
  type CloseOptions,
  type CloseReport,
  createSessionManager,
  type SessionManagerStats,
  type Sessions,
  type WithCookieHeader,
} from './create-session-manager.js'
export {
  ConfigError,
  type ConfigProblem,
  HoldfastError,
  type HoldfastErrorCode,
  LockLostError,
  LockTimeoutError,
  SessionGoneError,
  StorageUnavailableError,
  TooManyNewcomersError,
  TooManySessionsError,
  type UnreadableReason,
  UnreadableRecordError,
  UnserializableError,
  UnstorableError,
} from './errors.js'
export type { FetchRequest, RequestSession } from './http/fetch-request.js'
export type { SessionMiddleware } from './http/session-middleware.js'
export type { Logger } from './logger.js'
export type {
  NodeEvent,
  SessionEvent,
  SessionEventName,
  SessionEvents,
  SessionListener,
  UnreadableEvent,
} from './manager/context/session-events.js'
export type { FlushReport } from './manager/server-sessions.js'
export type { AttributeCodec } from './record/attribute-codec.js'
export type { RegenerateOptions, Session, SessionData, SessionLock, SessionWith } from './session/session.js'
export type { StorePayload } from './store/payload.js'
export type { SessionStore } from './store/session-store.js'
