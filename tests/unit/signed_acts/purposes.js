// The grammar of what a card signs, written a second time: from docs/what-a-card-signs.md, with nothing but Node.
//
// node purposes.js make           prints the vectors of protos/vectors/purposes.json
// node purposes.js check <file>   computes all vectors of a file again, and fails where one differs
// node purposes.js judge          reads purposes from standard input, one in base64 a line, and prints for each
//                                 its SHA-256 in hexadecimal, or "refused"
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");

const PREFIX = Buffer.from("toroku card signature v1\0");
const MOST_BYTES = 16 * 1024;

// --- canonical JSON (RFC 8785)

function canonicalize(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Error("no number of JSON");
    return JSON.stringify(value);
  }
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new Error("a lone surrogate");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalize).join(",")}]`;
  // JavaScript compares strings by UTF-16 code units, as RFC 8785 wants it.
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${canonicalize(key)}:${canonicalize(value[key])}`).join(",")}}`;
}

const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");

// --- the forms of the keys

const text = (pattern) => (value) => typeof value === "string" && pattern.test(value);
const code = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const hash = text(/^[0-9a-f]{64}$/);
const bidder = text(/^[!-~]{1,64}$/);
const list = (value, most, accepts) => Array.isArray(value) && value.length >= 1 && value.length <= most && value.every(accepts);

function isLine(value) {
  if (typeof value !== "string" || [...value].length > 400) return false;
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(value)) return false;
  if (/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(value)) return false;
  return /\P{Zs}/u.test(value);
}

function isNonce(value) {
  if (typeof value !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(value)) return false;
  return Buffer.from(value, "base64url").toString("base64url") === value;
}

function isSubjects(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  if (Object.keys(value).sort().join() !== "count,kind,sha256") return false;
  const counted = Number.isInteger(value.count) && value.count >= 1 && value.count <= 1000000;
  return counted && ["bidder", "card", "person"].includes(value.kind) && hash(value.sha256);
}

const isOfficers = (operation) =>
  operation.length <= 128 && /^toroku\.[a-z][a-z0-9]*\.v[1-9][0-9]*\.[A-Z][A-Za-z0-9]*\/[A-Z][A-Za-z0-9]*$/.test(operation);

const FORMS = {
  instance: code,
  type: text(/^(log-in|act)$/),
  operation: (value) => typeof value === "string",
  role: text(/^(sole|old|new)$/),
  nonce: isNonce,
  certificate_sha256: hash,
  agency: code,
  category: code,
  bidder_id: bidder,
  card_sha256: hash,
  person_id: code,
  subjects: isSubjects,
  other_certificate_sha256: hash,
  successor_key_sha256: hash,
  proposal_sha256: hash,
  notes_sha256: (value) => list(value, 64, hash) && value.every((note, at) => at === 0 || value[at - 1] < note),
  client: text(/^[!-~]{1,128}$/),
  redirect: text(/^https:\/\/[!-~]{1,1016}$/),
  openid_nonce: text(/^[!-~]{1,256}$/),
  request_id: text(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
  request_sha256: hash,
  lines: (value) => list(value, 32, isLine),
};

// --- the table: operation, type, role; then the keys, an optional one with a question mark

const ALWAYS = "instance type operation role nonce certificate_sha256";
const ACT = "request_id request_sha256 lines";
const TABLE = {
  "registration log-in sole": "agency category",
  "registration act sole": `agency category bidder_id ${ACT}`,
  "change log-in sole": "agency category",
  "change act sole": `agency category bidder_id ${ACT}`,
  "renewal log-in old": "agency category",
  "renewal act old": `agency category bidder_id successor_key_sha256 ${ACT}`,
  "renewal log-in new": "agency category",
  "renewal act new": `agency category bidder_id successor_key_sha256 other_certificate_sha256 ${ACT}`,
  "view log-in sole": "agency? category?",
  "stop log-in sole": "category?",
  "stop act sole": `card_sha256 category? ${ACT}`,
  "tender-log-in log-in sole": "agency category client redirect openid_nonce?",
  "statement log-in sole": "category agency?",
  "statement act sole": `category bidder_id agency? ${ACT}`,
  "officer log-in sole": "",
  "officer act sole":
    `agency? category? bidder_id? card_sha256? person_id? subjects? proposal_sha256? notes_sha256? ${ACT}`,
};

function checkPurpose(values) {
  for (const key of ALWAYS.split(" ")) {
    if (!Object.hasOwn(values, key) || !FORMS[key](values[key])) throw new Error(key);
  }
  const operation = isOfficers(values.operation) ? "officer" : values.operation;
  // The officers' row has no name that an operation could have.
  const row = values.operation === "officer" ? undefined : TABLE[`${operation} ${values.type} ${values.role}`];
  if (row === undefined) throw new Error("operation, type and role");
  const keys = `${ALWAYS} ${row}`.trim().split(" ");
  const allowed = keys.map((key) => key.replace("?", ""));
  for (const key of Object.keys(values)) {
    if (!allowed.includes(key) || !FORMS[key](values[key])) throw new Error(key);
  }
  for (const key of keys) {
    if (!key.endsWith("?") && !Object.hasOwn(values, key)) throw new Error(key);
  }
}

function decode(bytes) {
  if (bytes.length > MOST_BYTES) throw new Error("size");
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const values = JSON.parse(text);
  if (values === null || typeof values !== "object" || Array.isArray(values)) throw new Error("no object");
  // Anything that is not canonical, a key that stands there twice too, differs from its own canonical form.
  if (canonicalize(values) !== text) throw new Error("not canonical");
  checkPurpose(values);
  return values;
}

function encode(values) {
  checkPurpose(values);
  const bytes = Buffer.from(canonicalize(values), "utf8");
  if (bytes.length > MOST_BYTES) throw new Error("size");
  return bytes;
}

function isRefused(bytes) {
  try {
    decode(bytes);
    return false;
  } catch {
    return true;
  }
}

// --- signatures

const SCHEMES = {
  RSA_PKCS1V15: (hashName) => ({ hashName, padding: crypto.constants.RSA_PKCS1_PADDING }),
  RSA_PSS: (hashName) => ({
    hashName,
    padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
    saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
  }),
  ECDSA: (hashName) => ({ hashName, dsaEncoding: "der" }),
};

function splitAlgorithm(algorithm) {
  const at = algorithm.lastIndexOf("_");
  return SCHEMES[algorithm.slice(0, at)](algorithm.slice(at + 1).toLowerCase());
}

function sign(key, algorithm, purpose) {
  const { hashName, ...options } = splitAlgorithm(algorithm);
  return crypto.sign(hashName, Buffer.concat([PREFIX, purpose]), { key, ...options });
}

function verify(publicKey, algorithm, purpose, signature) {
  const key = crypto.createPublicKey({ key: publicKey, format: "der", type: "spki" });
  const { hashName, ...options } = splitAlgorithm(algorithm);
  return crypto.verify(hashName, Buffer.concat([PREFIX, purpose]), { key, ...options }, signature);
}

// --- the vectors

const HASHES = Object.fromEntries([..."123456789"].map((digit) => [digit, digit.repeat(64)]));
const NONCE = Buffer.from(Array.from({ length: 32 }, (_, at) => at * 7)).toString("base64url");
const FORM = {
  request_id: "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
  instance: "saitama",
  agency: "saitama-prefecture",
  category: "works",
  bidder_id: "1234567890",
  certificate_sha256: Buffer.from(HASHES[1], "hex").toString("base64"),
  card_contact: {
    department: "工事課",
    postal_code: "330-9301",
    address: "埼玉県さいたま市浦和区高砂３－１５－１",
    person_name: "髙﨑　葛󠄀太郎",
    telephone: "048-000-0000",
    fax: "048-000-0001",
    mail_address: "koji@contractor.example",
  },
};
const EXAMPLES = {
  instance: "saitama",
  nonce: NONCE,
  certificate_sha256: HASHES[1],
  agency: "saitama-prefecture",
  category: "works",
  bidder_id: "1234567890",
  card_sha256: HASHES[2],
  person_id: "suzuki-hanako",
  other_certificate_sha256: HASHES[3],
  successor_key_sha256: HASHES[4],
  proposal_sha256: HASHES[5],
  notes_sha256: [HASHES[6], HASHES[7]],
  client: "tender-saitama",
  redirect: "https://tender.saitama.example/return?from=toroku",
  openid_nonce: "n-0S6_WzA2Mj",
  request_id: FORM.request_id,
  request_sha256: sha256(canonicalize(FORM)),
  lines: ["利用者登録：髙﨑建設㈱（1234567890）のICカードとして登録します。", "“\\” and é, 𠮷"],
};
const RPC = "toroku.qualification.v1.QualificationRegistry/CommitRoster";

function listSubjects() {
  const lists = [
    { kind: "bidder", ids: ["1234567891", "1234567890", "K00000010"] },
    { kind: "card", ids: [HASHES[9], HASHES[8]] },
    { kind: "person", ids: ["suzuki-hanako"] },
  ];
  return lists.map(({ kind, ids }) => {
    const canonical = canonicalize([...ids].sort());
    return { kind, ids, canonical, count: ids.length, sha256: sha256(canonical) };
  });
}

function listAccepted() {
  const accepted = [];
  const add = (name, values) => {
    const bytes = encode(values);
    accepted.push({ name, purpose: values, bytes: bytes.toString("utf8"), sha256: sha256(bytes) });
  };
  const [{ kind, count, sha256: hashed }] = listSubjects();
  const examples = { ...EXAMPLES, subjects: { kind, count, sha256: hashed } };
  for (const [row, keys] of Object.entries(TABLE)) {
    const [operation, type, role] = row.split(" ");
    const start = { type, role, operation: operation === "officer" ? RPC : operation };
    const choose = (wanted) =>
      Object.fromEntries(wanted.filter(Boolean).map((key) => [key, start[key] ?? examples[key]]));
    const all = `${ALWAYS} ${keys}`.split(" ");
    const name = row.replace("officer", "an officer's");
    add(name, choose(all.filter((key) => !key.endsWith("?"))));
    if (keys.includes("?")) add(`${name}, with all optional keys`, choose(all.map((key) => key.replace("?", ""))));
  }
  return accepted;
}

function listRefused(accepted) {
  const logIn = accepted.find(({ name }) => name === "registration log-in sole").purpose;
  const act = accepted.find(({ name }) => name === "registration act sole").purpose;
  const canonical = encode(logIn).toString("utf8");
  const inputs = {
    "no bytes": "",
    "a space before it": ` ${canonical}`,
    "a line feed after it": `${canonical}\n`,
    "a byte order mark": `\ufeff${canonical}`,
    "spaces after commas": canonical.replaceAll(",", ", "),
    "an escaped character": canonical.replace("saitama", "s\\u0061itama"),
    "keys in another order": `{${canonical.slice(1, -1).split(",").reverse().join(",")}}`,
    "a key twice": canonical.replace('"category"', '"agency":"kawagoe-city","category"'),
    "an array": `[${canonical}]`,
    "cut off": canonical.slice(0, -1),
    "no UTF-8": Buffer.concat([Buffer.from(canonical.slice(0, -2)), Buffer.from([0xff]), Buffer.from('"}')]),
    "a lone surrogate": canonical.replace("saitama-prefecture", "\\ud800"),
    "larger than 16 KiB": " ".repeat(MOST_BYTES + 1),
  };
  const changes = {
    "an unknown key": { ...logIn, amount: "1" },
    "a key of another type": { ...logIn, request_id: FORM.request_id },
    "a key of another operation": { ...act, card_sha256: HASHES[2] },
    "an unknown operation": { ...logIn, operation: "withdrawal" },
    "a method of somebody else": { ...logIn, operation: "other.package.v1.Service/Method" },
    "an unknown type": { ...logIn, type: "hash" },
    "a role that the operation has not": { ...logIn, role: "old" },
    "a type that the operation has not": { ...act, operation: "view" },
    "a number for a text": { ...logIn, agency: 7 },
    "null for a key": { ...logIn, agency: null },
    "a short nonce": { ...logIn, nonce: NONCE.slice(0, -1) },
    "a nonce whose unused bits are set": { ...logIn, nonce: `${NONCE.slice(0, -1)}9` },
    "a hash in upper case": { ...logIn, certificate_sha256: "AB".repeat(32) },
    "a request id in upper case": { ...act, request_id: FORM.request_id.toUpperCase() },
    "no line": { ...act, lines: [] },
    "a line of spaces": { ...act, lines: ["\u3000 "] },
    "a line with a line feed": { ...act, lines: ["登録\nします"] },
    "a line that turns its direction": { ...act, lines: ["登録\u202eします"] },
    "a line of 401 characters": { ...act, lines: ["登".repeat(401)] },
    "33 lines": { ...act, lines: Array(33).fill("登録") },
    "notes that are not ascending": { ...act, operation: RPC, notes_sha256: [HASHES[7], HASHES[6]] },
    "subjects without a number": { ...act, operation: RPC, subjects: { kind: "card", sha256: HASHES[6] } },
    "a redirect without TLS": {
      ...logIn,
      operation: "tender-log-in",
      client: "tender",
      redirect: "http://tender.saitama.example/",
    },
  };
  for (const [name, values] of Object.entries(changes)) inputs[name] = canonicalize(values);
  for (const key of Object.keys(act)) {
    inputs[`without ${key}`] = canonicalize(Object.fromEntries(Object.entries(act).filter(([name]) => name !== key)));
  }
  return Object.entries(inputs).map(([name, bytes]) => ({ name, base64: Buffer.from(bytes).toString("base64") }));
}

function listForms() {
  // A field without a value, or with an empty one, is left out.
  const further = { ...FORM, representative_contact: { person_name: "\u0001 \"\\\u007f€", telephone: "048-000-0000" } };
  const named = { ...FORM, person_in_charge: "髙﨑　花子" };
  return [FORM, further, named].map((values) => {
    const canonical = canonicalize(values);
    return { message: "toroku.frontdoor.v1.RegistrationForm", values, canonical, sha256: sha256(canonical) };
  });
}

function listSignatures(purpose) {
  const rsa = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  const p256 = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const p384 = crypto.generateKeyPairSync("ec", { namedCurve: "P-384" });
  const keys = { ECDSA_SHA256: p256, ECDSA_SHA384: p384 };
  for (const size of [256, 384, 512]) keys[`RSA_PKCS1V15_SHA${size}`] = keys[`RSA_PSS_SHA${size}`] = rsa;
  return Object.entries(keys).map(([algorithm, { publicKey, privateKey }]) => ({
    algorithm,
    public_key: publicKey.export({ format: "der", type: "spki" }).toString("base64"),
    purpose: purpose.toString("utf8"),
    signature: sign(privateKey, algorithm, purpose).toString("base64"),
  }));
}

function make() {
  const accepted = listAccepted();
  return {
    about:
      "What a card signs, as a second implementation in Node makes it. See docs/what-a-card-signs.md. " +
      "`bytes` and `canonical` are the UTF-8 text, `sha256` is over it; a card signs `prefix`, as base64, and then `bytes`.",
    prefix: PREFIX.toString("base64"),
    accepted,
    refused: listRefused(accepted),
    forms: listForms(),
    subjects: listSubjects(),
    signatures: listSignatures(Buffer.from(accepted[1].bytes)),
  };
}

function check(vectors) {
  const fail = (what) => {
    throw new Error(`differs: ${what}`);
  };
  const again = make();
  for (const part of ["about", "prefix", "accepted", "refused", "forms", "subjects"]) {
    if (canonicalize(vectors[part]) !== canonicalize(again[part])) fail(part);
  }
  for (const { name, purpose, bytes } of vectors.accepted) {
    if (canonicalize(decode(Buffer.from(bytes))) !== canonicalize(purpose)) fail(name);
  }
  for (const { name, base64 } of vectors.refused) if (!isRefused(Buffer.from(base64, "base64"))) fail(name);
  for (const { algorithm, public_key: key, purpose, signature } of vectors.signatures) {
    const verified = (text) =>
      verify(Buffer.from(key, "base64"), algorithm, Buffer.from(text), Buffer.from(signature, "base64"));
    if (!verified(purpose) || verified(`${purpose} `)) fail(algorithm);
  }
}

function judge(line) {
  const bytes = Buffer.from(line, "base64");
  return isRefused(bytes) ? "refused" : sha256(bytes);
}

const [command, file] = process.argv.slice(2);
if (command === "make") process.stdout.write(`${JSON.stringify(make(), null, 2)}\n`);
else if (command === "check") check(JSON.parse(fs.readFileSync(file, "utf8")));
else if (command === "judge") {
  const lines = fs.readFileSync(0, "utf8").split("\n").slice(0, -1);
  process.stdout.write(lines.map((line) => `${judge(line)}\n`).join(""));
} else throw new Error("usage: purposes.js make | check <file> | judge");
