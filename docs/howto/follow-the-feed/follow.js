// Follows the feed of an agency: keeps the newest entry of each card, and answers from them.
// Needs @grpc/grpc-js and @grpc/proto-loader, and the proto files of Toroku and of googleapis (google/rpc).
"use strict";

const crypto = require("node:crypto");
const grpc = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");

const PAYLOAD_TYPE = "application/vnd.toroku.feed-snapshot+json";
const SCHEMA = "toroku.agencysync.v1.Change/1";
const CLOCK_TOLERANCE = 60_000;
// Three heartbeats: a stream that is silent for longer is dead.
const SILENCE = 45_000;
const BEGIN_AGAIN = new Set(["FEED_POSITION_TOO_OLD", "FEED_RESTARTED"]);

// --- 1. The connection

function loadTypes(protoFolders) {
  const files = ["toroku/agencysync/v1/feed.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"];
  return loadSync(files, { includeDirs: protoFolders, keepCase: true, defaults: true, enums: String, longs: Number });
}

function createClient(types, { address, serverName, ca, certificate, privateKey }) {
  const { Feed } = grpc.loadPackageDefinition(types).toroku.agencysync.v1;
  const credentials = grpc.credentials.createSsl(ca, privateKey, certificate);
  // The service closes a connection that is pinged more often than every 30 seconds.
  const keepalive = { "grpc.keepalive_time_ms": 45_000, "grpc.keepalive_timeout_ms": 10_000 };
  return new Feed(address, credentials, { "grpc.ssl_target_name_override": serverName, ...keepalive });
}

// Returns the reason of docs/errors.md, or undefined where the failure is not a refusal of Toroku.
function readReason(types, error) {
  const [trailer] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (trailer === undefined) return undefined;
  for (const { type_url, value } of types["google.rpc.Status"].deserialize(trailer).details) {
    if (type_url.endsWith("/google.rpc.ErrorInfo")) {
      const { domain, reason } = types["google.rpc.ErrorInfo"].deserialize(value);
      if (domain === "toroku") return reason;
    }
  }
  return undefined;
}

// --- 2. The copy: in your own database. Each function that writes is one transaction.

function createCopy() {
  return { cards: new Map(), position: undefined, asOf: 0, validity: 0 };
}

// Changes and position together: whoever dies in between goes on from exactly what it has.
function storeChanges(copy, changes, position, asOf) {
  for (const change of changes) copy.cards.set(change.certificate_sha256.toString("hex"), change);
  copy.position = position;
  copy.asOf = Math.max(copy.asOf, asOf);
}

function replaceAll(copy, cards, manifest) {
  copy.cards = new Map(cards.map((change) => [change.certificate_sha256.toString("hex"), change]));
  copy.position = { epoch: manifest.epoch, number: manifest.number };
  copy.asOf = Date.parse(manifest.issued_at);
  copy.validity = Date.parse(manifest.expires_at) - copy.asOf;
}

// --- 3. Whether a card is good here

const milliseconds = ({ seconds, nanos }) => seconds * 1000 + nanos / 1e6;

const FIRST = new Set(["STATE_REPLACED", "STATE_ENDED", "STATE_REVOKED"]);
const AFTER_CERTIFICATE = new Set(["CERTIFICATE_NOT_TRUSTED", "BIDDER_ENDED"]);

function findReason(card, now) {
  if (card === undefined) return "NOT_REGISTERED";
  // A state that this program does not know is not good.
  const stopped = card.state === "STATE_GOOD" ? undefined : card.reason || "UNKNOWN_STATE";
  if (FIRST.has(card.state) && !AFTER_CERTIFICATE.has(stopped)) return stopped;
  const { certificate_not_before: first, certificate_not_after: last } = card;
  if (!first || !last) return stopped ?? "CERTIFICATE_NOT_TRUSTED";
  if (now < milliseconds(first)) return "CERTIFICATE_NOT_YET_VALID";
  // The last second belongs to the validity.
  if (now >= milliseconds(last) + 1000) return "CERTIFICATE_EXPIRED";
  if (stopped !== undefined && card.state !== "STATE_UNDER_REVIEW") return stopped;
  const isQualified = card.qualified.some(
    ({ qualified_from: from, qualified_until: until }) =>
      (!from || milliseconds(from) <= now) && (!until || now < milliseconds(until)),
  );
  return isQualified ? (stopped ?? "GOOD") : "NOT_QUALIFIED";
}

// Returns GOOD with the bidder, or why not. Whatever is not GOOD is not let in.
function judge(copy, certificateSha256, now = Date.now()) {
  if (copy.position === undefined) return { reason: "FEED_TOO_OLD" };
  const card = copy.cards.get(certificateSha256.toString("hex"));
  const reason = findReason(card, now);
  if (reason !== "GOOD") return { reason };
  return now < copy.asOf + copy.validity ? { reason, bidderId: card.bidder_id } : { reason: "FEED_TOO_OLD" };
}

// --- 4. A snapshot: nothing of it is used before its signature and its hash were verified

function isBefore(position, other) {
  return position.epoch !== other.epoch ? position.epoch < other.epoch : position.number < other.number;
}

// `publicKeys`: any of them may have signed. The key id is a hint only.
function verifyManifest({ manifest, signature }, feed, publicKeys, copy, now = Date.now()) {
  const preAuthentication = Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${manifest.length} `),
    manifest,
  ]);
  if (!publicKeys.some((key) => crypto.verify(null, preAuthentication, key, signature))) {
    throw new Error("no key that is trusted signed the snapshot");
  }
  const fields = JSON.parse(manifest);
  if (fields.schema !== SCHEMA) throw new Error(`the schema ${fields.schema} is not known`);
  for (const name of ["instance", "agency", "category"]) {
    if (fields[name] !== feed[name]) throw new Error(`the snapshot is of another ${name}`);
  }
  if (!(Date.parse(fields.issued_at) <= now + CLOCK_TOLERANCE)) throw new Error("the snapshot is of the future");
  if (!(now < Date.parse(fields.expires_at))) throw new Error("the snapshot has expired");
  if (copy.position && isBefore(fields, copy.position)) throw new Error("the snapshot is older than the copy");
  return fields;
}

// The content: each entry behind its length, a varint.
function readEntries(types, content) {
  const entries = [];
  for (let place = 0; place < content.length; ) {
    let length = 0;
    for (let factor = 1; ; factor *= 128) {
      if (place >= content.length || factor > 128 ** 3) throw new Error("the content cannot be read");
      const byte = content[place++];
      length += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    if (place + length > content.length) throw new Error("the content cannot be read");
    entries.push(types["toroku.agencysync.v1.Change"].deserialize(content.subarray(place, (place += length))));
  }
  return entries;
}

async function loadSnapshot(types, client, feed, publicKeys, copy) {
  const call = client.GetSnapshot(who(feed), { deadline: Date.now() + 10 * 60_000 });
  let manifest;
  let size = 0;
  const pieces = [];
  try {
    for await (const part of call) {
      if (manifest === undefined) {
        manifest = verifyManifest(part.manifest, feed, publicKeys, copy);
      } else {
        size += part.content.length;
        if (size > manifest.size) throw new Error("the content is longer than its manifest says");
        pieces.push(part.content);
      }
    }
  } finally {
    call.cancel();
  }
  const content = Buffer.concat(pieces);
  const hash = crypto.createHash("sha256").update(content).digest("hex");
  if (manifest === undefined || content.length !== manifest.size || hash !== manifest.sha256) {
    throw new Error("the content is not that of its manifest");
  }
  const cards = readEntries(types, content);
  if (cards.length !== manifest.rows) throw new Error("the content is not that of its manifest");
  replaceAll(copy, cards, manifest);
}

// --- 5. The stream

const who = ({ agency, category, subscriber }) => ({ agency, category, subscriber });

function storeMessage(copy, { changes, heartbeat }) {
  let position = copy.position;
  for (const change of changes) {
    const { epoch, number } = change.position;
    // Positions have no gaps. If one is missing, something on the way is wrong: store nothing, and call again.
    if (epoch !== position.epoch || number !== position.number + 1) throw new Error("the feed has a gap");
    position = { epoch, number };
  }
  // What has everything is as of the heartbeat; what is behind is not.
  const hasAll = heartbeat && heartbeat.head.epoch === position.epoch && heartbeat.head.number === position.number;
  storeChanges(copy, changes, position, hasAll ? milliseconds(heartbeat.as_of) : 0);
}

// Reads the stream until it ends, which it does by itself about every minute.
async function readStream(client, feed, copy, onStored) {
  const call = client.StreamChanges({ ...who(feed), after: copy.position });
  let timer;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => call.cancel(), SILENCE);
  };
  try {
    watch();
    // The next message is read when this one is stored.
    for await (const message of call) {
      watch();
      storeMessage(copy, message);
      onStored(copy);
      if (message.heartbeat) client.AcknowledgePosition({ ...who(feed), position: copy.position }, () => {});
    }
  } finally {
    clearTimeout(timer);
    call.cancel();
  }
}

// Follows the feed until `isStopped`. A failure is none of the copy's: it goes on answering.
async function follow(types, client, feed, publicKeys, copy, { onStored = () => {}, isStopped = () => false, log }) {
  let pause = 500;
  while (!isStopped()) {
    try {
      if (copy.position === undefined) await loadSnapshot(types, client, feed, publicKeys, copy);
      onStored(copy);
      await readStream(client, feed, copy, onStored);
      pause = 500;
    } catch (error) {
      const reason = readReason(types, error);
      log(reason ?? error.message);
      if (BEGIN_AGAIN.has(reason)) {
        await loadSnapshot(types, client, feed, publicKeys, copy).catch((failure) => log(failure.message));
      }
      // Not all systems at the same instant after the instance was away.
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
      pause = Math.min(2 * pause, 30_000);
    }
  }
}

module.exports = { loadTypes, createClient, createCopy, judge, follow, loadSnapshot, verifyManifest };
