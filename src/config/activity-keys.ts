import { z } from 'zod'
import { keyNotes, pattern } from './key.js'

const activityKeys = {
  except: pattern().optional().register(keyNotes, {
    type: 'pattern',
    default: 'none',
    meaning:
      "Requests whose URL (path and query) matches have their session, and leave its end and its cookie as they are: a page's own polling. Others do so by `req.session.passive()`.",
  }),
}

export const activitySchema = z.strictObject(activityKeys, { error: 'an object { except }' })
