// Asks with Zero's own client, turned to 127.0.0.1: node zero.mjs PORT TOKEN  →  what it understood, or its error
import https from 'node:https'
import {createRequire} from 'node:module'

const [port, token] = process.argv.slice(2)
const ask = https.request
https.request = (options, answered) =>
  ask({...options, host: '127.0.0.1', hostname: '127.0.0.1', port, servername: 'core.tryzero.com'}, answered)
const {zero} = createRequire(import.meta.url)('@zerosecrets/zero')
try {
  console.log(JSON.stringify({secrets: await zero({token, pick: ['evently'], callerName: 'evently'}).fetch()}))
} catch (error) {
  console.log(JSON.stringify({error: error.message}))
}
