import session from 'express-session'

export async function createSubject() {
  return {
    middleware: session({ secret: 'bench', resave: false, saveUninitialized: false, store: new session.MemoryStore() }),
  }
}
