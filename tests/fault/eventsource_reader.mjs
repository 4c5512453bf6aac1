// The npm eventsource client on the stream: prints each id, and goes on behind the last one through restarts.
import { EventSource } from "eventsource";

const source = new EventSource(process.env.STREAM_URL, {
  fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${process.env.TOKEN}` } }),
});
source.onmessage = (message) => console.log(message.lastEventId, JSON.parse(message.data).kind);
source.addEventListener("open", () => console.log("open"));
