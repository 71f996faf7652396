// Runs the example for agency developers: follows a feed, and answers each line of standard input from its copy.
// Usage: node agency_follow.js <address> <server name> <CA> <certificate> <private key> <public keys>
//   <instance> <agency> <category> <folders with proto files>...
// Reads {card, later}, prints {reason, bidderId, number}; what the example logs is printed as {log}.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const readline = require("node:readline");
const example = require("../../../docs/howto/follow-the-feed/follow.js");

const [address, serverName, ...rest] = process.argv.slice(2);
const [ca, certificate, privateKey] = rest.slice(0, 3).map((file) => fs.readFileSync(file));
const pems = fs.readFileSync(rest[3], "utf8").match(/-----BEGIN PUBLIC KEY-----[^]*?-----END PUBLIC KEY-----/g);
const [instance, agency, category] = rest.slice(4, 7);
const types = example.loadTypes(rest.slice(7));
const client = example.createClient(types, { address, serverName, ca, certificate, privateKey });
const feed = { instance, agency, category, subscriber: "node" };
const copy = example.createCopy();
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function answer() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { card, later } = JSON.parse(line);
    const judged = example.judge(copy, Buffer.from(card, "hex"), Date.now() + later);
    print({ ...judged, number: copy.position?.number ?? 0 });
  }
  process.exit(0);
}

example.follow(types, client, feed, pems.map(crypto.createPublicKey), copy, { log: (text) => print({ log: text }) });
answer();
