import { byId } from './elements.js'
import type { JolokiaClient } from './jolokia-client.js'

/** The form for a token. A browser asks for name and password by itself. */
export class Login {
  private readonly client: JolokiaClient
  private readonly section = byId('login')
  private readonly input = byId<HTMLInputElement>('token')

  constructor(client: JolokiaClient, onChange: () => void) {
    this.client = client
    byId('login-form').addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.input.value === '') return
      client.token = this.input.value
      this.input.value = ''
      onChange()
    })
    byId('logout').addEventListener('click', () => {
      client.token = undefined
      onChange()
    })
  }

  /** The server wants a login: what was given, if anything, is wrong. */
  ask(): void {
    byId('login-wrong').hidden = this.client.token === undefined
    this.client.token = undefined
    byId('content').hidden = true
    this.section.hidden = false
    byId('logout').hidden = true
    this.input.focus()
  }

  done(): void {
    this.section.hidden = true
    byId('content').hidden = false
    byId('logout').hidden = this.client.token === undefined
  }
}
