// Uploads with Node's http or fetch.
//
// usage: node upload.mjs http|fetch ORIGIN < UPLOADS
//
// UPLOADS is JSON, a list of {path, size, chunked, tries}. The script prints a list
// of outcomes for each of them as JSON, which ends early at an error. All use the
// client's own pool of connections.
// For https, NODE_EXTRA_CA_CERTS names the certificate to trust.

import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { json, text } from "node:stream/consumers";

const [client, origin] = process.argv.slice(2);
const piece = Buffer.alloc(64 << 10);
const timeout = 60_000; // limits a hang

function* pieces(size) {
  for (; size > 0; size -= piece.length) {
    yield piece.subarray(0, size);
  }
}

function withHTTP({ path, size, chunked, close }) {
  const { request } = origin.startsWith("https") ? https : http;
  return new Promise((resolve, reject) => {
    const headers = { ...(chunked || { "Content-Length": size }), ...(close && { Connection: "close" }) };
    const req = request(origin + path, { method: "POST", headers, timeout });
    req.on("response", (res) => text(res).then((answer) => resolve([res.statusCode, answer]), reject));
    req.on("timeout", () => req.destroy(new Error("timeout")));
    req.on("error", reject);
    if (chunked) {
      Readable.from(pieces(size)).pipe(req);
    } else {
      req.end(Buffer.alloc(size));
    }
  });
}

async function withFetch({ path, size, chunked, close }) {
  const body = chunked ? Readable.toWeb(Readable.from(pieces(size))) : Buffer.alloc(size);
  const signal = AbortSignal.timeout(timeout);
  const headers = close ? { Connection: "close" } : {};
  const res = await fetch(origin + path, { method: "POST", body, headers, duplex: "half", signal });
  return [res.status, await res.text()];
}

async function attempt(upload) {
  try {
    const [status, answer] = await (client === "fetch" ? withFetch : withHTTP)(upload);
    if (status === 200) {
      return `200, ${answer.length} bytes`;
    }
    return `${status}, "${answer.split("\n")[0].split(":")[0]}"`;
  } catch (err) {
    const cause = err.cause ?? err;
    return `${err.message}: ${cause.code ?? ""} ${cause.message}`;
  }
}

const outcomes = [];
for (const upload of await json(process.stdin)) {
  const tries = [];
  do {
    tries.push(await attempt(upload));
  } while (tries.length < upload.tries && /^\d/.test(tries.at(-1)));
  outcomes.push(tries);
}
process.stdout.write(JSON.stringify(outcomes), () => process.exit());
