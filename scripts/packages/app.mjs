import { createSessionManager } from 'holdfast'
import { tryIt } from './try-it.cjs'

tryIt(createSessionManager)
