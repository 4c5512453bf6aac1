// ioredis in a consumer group: prints each seq and then acknowledges it; takes up what it had not acknowledged.
import { Redis } from "ioredis";

const [STREAM, GROUP] = ["evently:events:stream", "analytics"];
const redis = new Redis(process.env.REDIS_URL);
await redis.xgroup("CREATE", STREAM, GROUP, "0", "MKSTREAM").catch((error) => {
  if (!String(error).includes("BUSYGROUP")) throw error;
});
for (let from = "0"; ; ) {
  const answer = await redis.xreadgroup("GROUP", GROUP, "one", "COUNT", 100, "BLOCK", 1000, "STREAMS", STREAM, from);
  const entries = answer?.[0]?.[1] ?? [];
  if (from === "0" && entries.length === 0) from = ">"; // its own leftovers first, then what is new
  for (const [id, fields] of entries) {
    const message = JSON.parse(fields[fields.indexOf("payload") + 1]);
    if (`${message.seq}-1` !== id) throw new Error(`${id} holds ${message.seq}`);
    console.log(message.seq); // the work first, then the word that it is done
    await redis.xack(STREAM, GROUP, id);
  }
}
