/* The peer in Node: Fastify, pg, ioredis and @fastify/jwt with its cache of verified tokens, one process a core, as their
 * documents advise for production. CACHE=shared keeps bodies in Redis, CACHE=local in the process. It sends the body and
 * nothing of the headers, ETags and logs that evently adds, does not keep a change log, and so is a little favoured. */
import cluster from 'node:cluster'
import process from 'node:process'
import Fastify from 'fastify'
import jwt from '@fastify/jwt'
import Redis from 'ioredis'
import pg from 'pg'

const { DATABASE_URL, REDIS_URL, JWT_SECRET, PORT, CACHE = 'shared' } = process.env
const WORKERS = Number(process.env.WORKERS ?? 1)
const TTL_S = Number(process.env.TTL_S ?? 600)
const POOL = Number(process.env.POOL ?? 16)
const COLUMNS = `id, title, description, venue, event_date, capacity, price, status, created_at, updated_at, created_by, version`

const eventSchema = {
  type: 'object',
  properties: {
    id: { type: 'integer' }, title: { type: 'string' }, description: { type: ['string', 'null'] },
    venue: { type: 'string' }, event_date: { type: 'string' }, capacity: { type: 'integer' }, price: { type: 'string' },
    status: { type: 'string' }, is_upcoming: { type: 'boolean' }, created_at: { type: 'string' },
    updated_at: { type: 'string' }, created_by: { type: ['integer', 'null'] }, version: { type: 'integer' }
  }
}
const listSchema = {
  type: 'object',
  properties: {
    events: { type: 'array', items: eventSchema }, total: { type: 'integer' }, page: { type: 'integer' },
    size: { type: 'integer' }, has_next: { type: 'boolean' }, has_prev: { type: 'boolean' }
  }
}
const bodySchema = {
  type: 'object',
  required: ['title', 'venue', 'event_date'],
  additionalProperties: false,
  properties: {
    title: { type: 'string', minLength: 1, maxLength: 255 }, venue: { type: 'string', minLength: 1, maxLength: 255 },
    description: { type: ['string', 'null'], maxLength: 65536 }, event_date: { type: 'string', format: 'date-time' },
    capacity: { type: 'integer', minimum: 0 }, price: { type: 'string', pattern: '^[0-9]{1,8}(\\.[0-9]{1,2})?$' },
    status: { enum: ['draft', 'published', 'cancelled', 'completed'] }
  }
}

pg.types.setTypeParser(pg.types.builtins.INT8, Number)

function toEvent (row) {
  row.is_upcoming = row.status === 'published' && row.event_date > new Date()
  return row
}

/* A bounded map of strings with a time to live. */
class LocalCache {
  entries = new Map()

  async get (key) {
    const entry = this.entries.get(key)
    if (entry === undefined || entry.until > Date.now()) return entry?.body
    this.entries.delete(key)
  }

  async set (key, body) {
    if (this.entries.size >= 100000) this.entries.delete(this.entries.keys().next().value)
    this.entries.set(key, { body, until: Date.now() + TTL_S * 1000 })
  }

  async del (key) { this.entries.delete(key) }
}

class SharedCache {
  constructor (redis) { this.redis = redis }

  get (key) { return this.redis.get(key) }
  set (key, body) { return this.redis.set(key, body, 'EX', TTL_S) }
  del (key) { return this.redis.del(key) }
}

async function start () {
  const app = Fastify({ logger: false })
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL })
  const redis = new Redis(REDIS_URL, { enableAutoPipelining: true })
  redis.on('error', error => { console.error(String(error)); process.exit(1) })
  const cache = CACHE === 'local' ? new LocalCache() : new SharedCache(redis)
  await app.register(jwt, { secret: JWT_SECRET, verify: { algorithms: ['HS256'], cache: true } })
  const authenticate = async request => { await request.jwtVerify() }
  const admin = async (request, reply) => {
    await request.jwtVerify()
    if (request.user.role !== 'admin') return reply.code(403).send({ detail: 'needs the role admin' })
  }
  const json = (reply, body) => reply.header('content-type', 'application/json').serializer(text => text).send(body)

  app.get('/api/v1/events/:id', { onRequest: authenticate, schema: { params: { type: 'object', properties: { id: { type: 'integer' } } }, response: { 200: eventSchema } } }, async (request, reply) => {
    const key = `event:${request.params.id}`
    const cached = await cache.get(key)
    if (cached) return json(reply, cached)
    const { rows } = await pool.query({ name: 'one', text: `SELECT ${COLUMNS} FROM events WHERE id = $1`, values: [request.params.id] })
    if (rows.length === 0) return reply.code(404).send({ detail: 'no such event' })
    const body = reply.serializeInput(toEvent(rows[0]), eventSchema)
    if (TTL_S > 0) await cache.set(key, body)
    return json(reply, body)
  })

  app.get('/api/v1/events/', { onRequest: authenticate, schema: { querystring: { type: 'object', properties: { page: { type: 'integer', minimum: 1, default: 1 }, size: { type: 'integer', minimum: 1, maximum: 100, default: 10 } } } } }, async (request, reply) => {
    const { page, size } = request.query
    const key = `events:${page}:${size}`
    const cached = await cache.get(key)
    if (cached) return json(reply, cached)
    const { rows } = await pool.query({ name: 'list', text: `SELECT ${COLUMNS} FROM events WHERE status <> 'draft' ORDER BY id LIMIT $1 OFFSET $2`, values: [size, (page - 1) * size] })
    const count = await pool.query({ name: 'count', text: "SELECT count(*) FROM events WHERE status <> 'draft'" })
    const total = count.rows[0].count
    const body = reply.serializeInput({ events: rows.map(toEvent), total, page, size, has_next: page * size < total, has_prev: page > 1 }, listSchema)
    await cache.set(key, body)
    return json(reply, body)
  })

  app.post('/api/v1/admin/events/', { onRequest: admin, schema: { body: bodySchema } }, async (request, reply) => {
    const e = request.body
    const { rows } = await pool.query({
      name: 'create',
      text: `INSERT INTO events (title, venue, description, event_date, price, capacity, status, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ${COLUMNS}`,
      values: [e.title, e.venue, e.description ?? null, e.event_date, e.price ?? '0', e.capacity ?? 0, e.status ?? 'draft', request.user.user_id]
    })
    const event = toEvent(rows[0])
    await Promise.all([cache.del('events:1:10'), redis.publish('events:created', JSON.stringify({ type: 'EventCreated', event_id: event.id, event_data: event }))])
    reply.code(201)
    return json(reply, reply.serializeInput(event, eventSchema))
  })

  await app.listen({ port: Number(PORT), host: '127.0.0.1', backlog: 4096 })
}

if (cluster.isPrimary && WORKERS > 1) {
  for (let i = 0; i < WORKERS; i++) cluster.fork()
  process.on('SIGTERM', () => process.exit(0))
} else {
  await start()
}
