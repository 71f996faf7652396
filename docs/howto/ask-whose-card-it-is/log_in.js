// The log-in of an e-bidding system: verifies that the user has the card, and asks Toroku whose card it is.
// Needs @grpc/grpc-js and @grpc/proto-loader, and the proto files of Toroku and of googleapis (google/rpc).
"use strict";

const crypto = require("node:crypto");
const grpc = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");

// Of your own system: no other system may accept a signature over it.
const PREFIX = Buffer.from("example e-bidding log-in v1\0");
const CHALLENGE_LIFETIME = 5 * 60_000;
const ATTEMPT_TIMEOUT = 3_000;
const PAUSES = [200, 1_000];
// The same question again may be answered.
const WORTH_REPEATING = new Set([
  grpc.status.UNAVAILABLE,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.RESOURCE_EXHAUSTED,
]);
const ALGORITHMS = {
  RSA_PKCS1V15_SHA256: { hash: "sha256", padding: crypto.constants.RSA_PKCS1_PADDING },
  ECDSA_SHA256: { hash: "sha256", curve: "prime256v1", dsaEncoding: "der" },
  ECDSA_SHA384: { hash: "sha384", curve: "secp384r1", dsaEncoding: "der" },
};

// --- 1. The user has the card

// Keep it in the user's session on your server. The card signs `toBeSigned`.
function createChallenge() {
  const toBeSigned = Buffer.concat([PREFIX, crypto.randomBytes(32)]);
  return { toBeSigned, expiresAt: Date.now() + CHALLENGE_LIFETIME };
}

// Returns the SHA-256 of the certificate if its key signed the challenge. Delete the challenge before you call this.
function verifyPossession(challenge, { certificate, algorithm, signature }) {
  if (Date.now() > challenge.expiresAt) throw new Error("the challenge has expired");
  const scheme = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  if (scheme === undefined) throw new Error(`the algorithm ${algorithm} is not accepted`);
  const { hash, curve, ...options } = scheme;
  const key = new crypto.X509Certificate(certificate).publicKey;
  const { asymmetricKeyType: kind, asymmetricKeyDetails: details } = key;
  const fits = curve === undefined ? kind === "rsa" && details.modulusLength >= 2048 : details.namedCurve === curve;
  if (!fits) throw new Error("the key does not fit the algorithm, or is too short");
  if (!crypto.verify(hash, challenge.toBeSigned, { key, ...options }, signature)) {
    throw new Error("the signature is not valid");
  }
  // Of the bytes as they came: never of a certificate that was decoded and encoded again.
  return crypto.createHash("sha256").update(certificate).digest();
}

// --- 2. Whose card it is

function loadTypes(protoFolders) {
  const files = ["toroku/certificate/v1/user_lookup.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"];
  return loadSync(files, { includeDirs: protoFolders, keepCase: true, defaults: true, enums: String });
}

// One client for the whole process: it keeps one connection, and opens it again when it was closed.
function createClient(types, { address, serverName, ca, certificate, privateKey }) {
  const { UserLookup } = grpc.loadPackageDefinition(types).toroku.certificate.v1;
  const credentials = grpc.credentials.createSsl(ca, privateKey, certificate);
  // The name in the service's certificate, however you reach it.
  return new UserLookup(address, credentials, { "grpc.ssl_target_name_override": serverName });
}

function askOnce(client, request) {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + ATTEMPT_TIMEOUT;
    client.ResolveUser(request, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// Returns the answer of ResolveUser. Asking changes nothing, so it may be repeated.
async function askWhoseCardItIs(client, { agency, category, certificateSha256, certificate }) {
  const request = {
    agency,
    category,
    certificate_sha256: certificateSha256,
    certificate,
    possession_verified: true,
  };
  for (const pause of PAUSES) {
    try {
      return await askOnce(client, request);
    } catch (error) {
      if (!WORTH_REPEATING.has(error.code)) throw error;
      // Not all at the same instant: before a deadline all users of a prefecture ask.
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }
  return askOnce(client, request);
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

// --- 3. What it means

const ADVICE = {
  VERDICT_NOT_REGISTERED: "Register this card at this agency (利用者登録).",
  VERDICT_CERTIFICATE_EXPIRED: "The card has expired. Get a new one from the certification authority and register it.",
  VERDICT_CERTIFICATE_NOT_YET_VALID: "The card is not valid yet.",
  VERDICT_CERTIFICATE_REVOKED: "The certification authority revoked the card.",
  VERDICT_CERTIFICATE_NOT_TRUSTED: "The card's certificate cannot be verified at the moment. Ask the help desk.",
  VERDICT_CARD_SUSPENDED: "The card is suspended. Contact the agency.",
  VERDICT_BINDING_ENDED: "The registration of this card has ended. Contact the agency.",
  VERDICT_CARD_REPLACED: "A new card has taken the place of this one. Use the new card.",
  VERDICT_BIDDER_SUSPENDED: "The bidder is suspended. Contact the agency.",
  VERDICT_NOT_QUALIFIED: "The bidder is not qualified at this agency (入札参加資格). Contact the agency.",
  VERDICT_UNDER_REVIEW: "Changed company data is under review. The card will be good when that is done (審査済).",
  VERDICT_BIDDER_ENDED: "This bidder ID has ended. Register with the new one.",
};

// Returns the bidder to let in, or the advice to show. Whatever is not GOOD is not let in, also what is not known yet.
function decide({ verdict, bidder_id }) {
  if (verdict === "VERDICT_GOOD") return { bidderId: bidder_id };
  return { verdict, advice: ADVICE[verdict] ?? "The card cannot be used at the moment. Contact the help desk." };
}

module.exports = { createChallenge, verifyPossession, loadTypes, createClient, askWhoseCardItIs, readReason, decide };
