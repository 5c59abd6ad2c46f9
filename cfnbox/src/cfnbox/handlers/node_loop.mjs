// Runs a Node.js function: `node node_loop.mjs module.function`. A runtime of Lambda's in the standard library alone.
import http from "node:http";
import path from "node:path";
import fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const root = process.env.LAMBDA_TASK_ROOT;
let requestId = "";

const call = (method, route, body) =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${route}`, headers };
    const request = http.request(options, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve([Buffer.concat(chunks).toString(), answer.headers]));
    });
    request.on("error", reject);
    request.end(body);
  });

for (const [method, level] of Object.entries({ log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", debug: "DEBUG" })) {
  console[method] = (...values) =>
    fs.writeSync(1, `${new Date().toISOString()}\t${requestId}\t${level}\t${format(...values).replaceAll("\n", "\r")}\n`);
}

const isOfFunction = (line) => !line.includes(import.meta.url) && !line.includes("(<anonymous>)");

const describe = (error) =>
  error instanceof Error
    ? { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n").filter(isOfFunction) }
    : { errorType: typeof error, errorMessage: String(error), trace: [] };

const load = async (name) => {
  const dot = name.lastIndexOf(".");
  const base = path.resolve(root, name.slice(0, dot));
  const file = [".js", ".mjs", ".cjs"].map((suffix) => base + suffix).find((one) => fs.existsSync(one));
  const unknown = (type, text) => Object.assign(new Error(text), { name: type });
  if (file === undefined) {
    throw unknown("Runtime.ImportModuleError", `Error: Cannot find module '${path.basename(base)}'`);
  }
  let module;
  try {
    module = createRequire(file)(file);
  } catch (error) {
    if (!["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE"].includes(error.code) && !(error instanceof SyntaxError)) throw error;
    module = await import(pathToFileURL(file));
  }
  const handler = name.slice(dot + 1).split(".").reduce((value, member) => value?.[member], module);
  if (typeof handler !== "function") throw unknown("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  return handler;
};

const run = (handler, event, context) =>
  new Promise((resolve, reject) => {
    const callback = (error, value) => (error ? reject(error) : resolve(value));
    Object.assign(context, { done: callback, succeed: resolve, fail: reject });
    const answer = handler(event, context, callback);
    if (typeof answer?.then === "function") answer.then(resolve, reject);
    // A handler that is not asynchronous has answered when nothing is left to do.
    else process.once("beforeExit", () => resolve(null));
  });

const context = (headers) => ({
  awsRequestId: requestId,
  invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
  functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
  functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
  memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
  logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  clientContext: JSON.parse(headers["lambda-runtime-client-context"] ?? "null") ?? undefined,
  callbackWaitsForEmptyEventLoop: true,
  getRemainingTimeInMillis: () => Math.max(0, Number(headers["lambda-runtime-deadline-ms"]) - Date.now()),
});

const report = async (route, error) => {
  const described = describe(error);
  fs.writeSync(1, `${new Date().toISOString()}\t${requestId || "undefined"}\tERROR\t${JSON.stringify(described)}\n`);
  await call("POST", route, JSON.stringify(described));
};

const main = async () => {
  let handler;
  try {
    handler = await load(process.argv[2]);
  } catch (error) {
    await report("init/error", error);
    process.exit(1);
  }
  for (;;) {
    const [event, headers] = await call("GET", "invocation/next");
    requestId = headers["lambda-runtime-aws-request-id"];
    try {
      const answer = await run(handler, JSON.parse(event), context(headers));
      await call("POST", `invocation/${requestId}/response`, JSON.stringify(answer) ?? "null");
    } catch (error) {
      await report(`invocation/${requestId}/error`, error);
    }
  }
};

await main();
