// A consumer of the catalogue's changes: keeps a copy of every event's title and capacity in a JSON file.
//
// Listens to the Redis channels, and reads the service's change log for whatever the channels did not say: Pub/Sub keeps
// nothing for who is not connected. Needs the npm package ioredis. Settings: EVENTLY_URL, EVENTLY_TOKEN (an admin's, so
// that drafts are seen as they are on the channels), REDIS_URL, COPY_FILE. Runs until SIGTERM.
//
// The one rule: the place (`seq`) is stored together with what the change led to. So a crash anywhere repeats a change at
// most, and a repeated change is known by its seq.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";

const { EVENTLY_URL, EVENTLY_TOKEN, REDIS_URL, COPY_FILE } = process.env;
const CHANNELS = ["created", "updated", "deleted"].map((kind) => `evently:events:${kind}`);

// ---- what this consumer makes of the changes; yours goes here ----

let copy = { seq: 0, events: {} };
try {
  copy = JSON.parse(readFileSync(COPY_FILE, "utf8"));
} catch (error) {
  if (error.code !== "ENOENT") throw error;
}

function save() {
  writeFileSync(`${COPY_FILE}.new`, JSON.stringify(copy));
  renameSync(`${COPY_FILE}.new`, COPY_FILE); // place and data change together
}

function apply(seq, id, event) {
  if (seq <= copy.seq) return; // a repeat
  if (event) copy.events[id] = { version: event.version, title: event.title, capacity: event.capacity };
  else delete copy.events[id];
  copy.seq = seq;
}

// ---- the change log over HTTP ----

async function get(path) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(EVENTLY_URL + path, { headers: { authorization: `Bearer ${EVENTLY_TOKEN}` } });
      if (answer.ok) return await answer.json();
    } catch {
      await pause(500);
      continue;
    }
    if (answer.status === 410) return { pruned: Number(/since=(\d+)/.exec(answer.headers.get("link"))[1]) };
    if (![429, 503, 504].includes(answer.status)) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    await pause(1000 * Number(answer.headers.get("retry-after") ?? 1));
  }
}

async function readCatalogue(seq) {
  const events = {};
  let cursor = "";
  for (;;) {
    const page = await get(`/api/v1/events/?size=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    for (const { id, version, title, capacity } of page.events) events[id] = { version, title, capacity };
    if (!page.has_next) break;
    cursor = page.next_cursor;
  }
  copy = { seq, events };
}

async function catchUp() {
  for (;;) {
    const page = await get(`/api/v1/events/changes?since=${copy.seq}&limit=1000`);
    if (page.pruned !== undefined) {
      await readCatalogue(page.pruned);
      continue;
    }
    if (page.next === copy.seq) break; // an empty page alone is no end: it may have held what this reader may not see
    for (const change of page.changes) apply(change.seq, change.event_id, change.event);
    copy.seq = page.next;
    save();
  }
  save();
}

// ---- the channels: one message after the other ----

let work = Promise.resolve();
const then = (step) => {
  work = work.then(step).catch((error) => {
    console.error(error);
    process.exit(1);
  });
};

const redis = new Redis(REDIS_URL, { autoResubscribe: false, maxRetriesPerRequest: null, retryStrategy: () => 200 });
redis.on("error", () => {}); // it reconnects by itself
redis.on("ready", () => {
  // First subscribe, then catch up: what is written in between is heard twice, and not missed.
  redis.subscribe(...CHANNELS).then(() => then(catchUp), () => {});
});
redis.on("message", (_, text) => {
  const message = JSON.parse(text);
  then(async () => {
    if (message.seq > copy.seq + 1) await catchUp();
    if (message.seq <= copy.seq) return;
    apply(message.seq, message.event_id, message.event_data);
    save();
  });
});
then(catchUp);
setInterval(() => then(catchUp), 5000); // the last message before a silence may be the one that was lost
process.on("SIGTERM", () => then(() => process.exit(0)));
