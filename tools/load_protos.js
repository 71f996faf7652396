// Loads proto files as a client in Node does, and prints as JSON the methods of each service and the fields of each
// message. Usage: node load_protos.js <folders with proto files, joined by ":"> <proto files>...
"use strict";

const { loadSync } = require("@grpc/proto-loader");

const [folders, ...files] = process.argv.slice(2);

function addMessage(name, type) {
  messages[name] = type.field.map((field) => field.name);
  for (const nested of type.nestedType) addMessage(`${name}.${nested.name}`, nested);
}

const services = {};
const messages = {};
for (const [name, definition] of Object.entries(loadSync(files, { includeDirs: folders.split(":"), keepCase: true }))) {
  if (definition.format === "Protocol Buffer 3 DescriptorProto") {
    addMessage(name, definition.type);
  } else if (definition.format === undefined) {
    services[name] = Object.keys(definition);
  }
}
console.log(JSON.stringify({ services, messages }));
