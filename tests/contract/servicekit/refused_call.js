// A client in Node that makes one call, which the service refuses, and prints the refusal as JSON.
// Usage: node refused_call.js <address> <server name> <CA> <certificate> <private key> <folders with proto files>...
"use strict";

const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const { loadSync } = require("@grpc/proto-loader");

const [address, serverName, ...rest] = process.argv.slice(2);
const [ca, certificate, privateKey] = rest.slice(0, 3).map((file) => fs.readFileSync(file));
const types = loadSync(
  ["toroku/contact/v1/contact_notification.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"],
  { includeDirs: rest.slice(3), keepCase: true, defaults: true },
);

// The type of an Any is the last part of its URL.
function unpack(any) {
  return { type: any.type_url.split("/").pop(), value: any.value };
}

// Returns what docs/errors.md describes, or null where the failure is not a refusal of Toroku.
function readRefusal(error) {
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  if (trailer === undefined) return null;
  const refusal = { code: error.code, violations: [] };
  for (const any of types["google.rpc.Status"].deserialize(trailer).details) {
    const { type, value } = unpack(any);
    if (type === "google.rpc.ErrorInfo") {
      const { domain, reason, metadata } = types[type].deserialize(value);
      if (domain !== "toroku") return null;
      Object.assign(refusal, { reason, metadata });
    } else if (type === "google.rpc.BadRequest") {
      refusal.violations = types[type].deserialize(value).field_violations.map(({ field, reason, description }) => ({
        field,
        reason,
        metadata: description === "" ? {} : JSON.parse(description),
      }));
    }
  }
  return refusal;
}

// The test's own service has no proto file; a method of Toroku is called through `loadPackageDefinition`.
const client = new grpc.Client(address, grpc.credentials.createSsl(ca, privateKey, certificate), {
  "grpc.ssl_target_name_override": serverName,
});
client.makeUnaryRequest(
  "/tests.echo.Echo/Ask",
  types["toroku.contact.v1.GetContactRequest"].serialize,
  (bytes) => bytes,
  { category: "refuse" },
  { deadline: Date.now() + 20_000 },
  (error) => {
    client.close();
    if (error === null) throw new Error("the call was not refused");
    if (error.metadata.get("grpc-status-details-bin").length === 0) throw error;
    console.log(JSON.stringify(readRefusal(error)));
  },
);
