// Runs the example for agency developers: one log-in for each line of standard input, as a test wants it.
// Usage: node agency_log_in.js <address> <server name> <CA> <certificate> <private key> <folders with proto files>...
// Prints a challenge, reads {certificate, algorithm, signature, agency, category, late}, prints the outcome; and so on.
"use strict";

const fs = require("node:fs");
const readline = require("node:readline");
const example = require("../../../docs/howto/ask-whose-card-it-is/log_in.js");

const [address, serverName, ...rest] = process.argv.slice(2);
const [ca, certificate, privateKey] = rest.slice(0, 3).map((file) => fs.readFileSync(file));
const types = example.loadTypes(rest.slice(3));
const client = example.createClient(types, { address, serverName, ca, certificate, privateKey });

async function logIn(challenge, line) {
  const { agency, category, late, ...texts } = JSON.parse(line);
  const [certificate, signature] = [texts.certificate, texts.signature].map((text) => Buffer.from(text, "base64"));
  if (late) challenge.expiresAt = Date.now() - 1;
  let certificateSha256;
  try {
    certificateSha256 = example.verifyPossession(challenge, { certificate, algorithm: texts.algorithm, signature });
  } catch (error) {
    return { notVerified: error.message };
  }
  try {
    return example.decide(await example.askWhoseCardItIs(client, { agency, category, certificateSha256, certificate }));
  } catch (error) {
    return { code: error.code, reason: example.readReason(types, error) ?? "" };
  }
}

async function main() {
  let challenge = example.createChallenge();
  const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  print({ toBeSigned: challenge.toBeSigned.toString("base64") });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const outcome = await logIn(challenge, line);
    challenge = example.createChallenge();
    print({ ...outcome, toBeSigned: challenge.toBeSigned.toString("base64") });
  }
  client.close();
}

main();
