const { createSessionManager } = require('holdfast')
const { tryIt } = require('./try-it.cjs')

tryIt(createSessionManager)
