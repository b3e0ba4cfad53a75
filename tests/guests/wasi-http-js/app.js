// A component of the standard world `wasi:http/proxy@0.2`, in JavaScript.

import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from "wasi:http/types@0.2.12";

const CHUNK = 4096; // what one `blockingWriteAndFlush` takes

export const incomingHandler = {
  handle(request, answer) {
    const path = request.pathWithQuery() ?? "";
    if (path.endsWith("/loop/")) {
      for (;;);
    }
    if (path.endsWith("/trap/")) {
      throw new Error("told to");
    }
    const content =
      request.method().tag === "post" ? readAll(request) : new TextEncoder().encode(`Hello from JavaScript at ${path}\n`);

    const response = new OutgoingResponse(Fields.fromList([["content-type", new TextEncoder().encode("text/plain")]]));
    const body = response.body();
    ResponseOutparam.set(answer, { tag: "ok", val: response });
    const output = body.write();
    for (let start = 0; start < content.length; start += CHUNK) {
      output.blockingWriteAndFlush(content.subarray(start, start + CHUNK));
    }
    output[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
  },
};

function readAll(request) {
  const body = request.consume();
  const stream = body.stream();
  const parts = [];
  try {
    for (;;) {
      parts.push(stream.blockingRead(65536n));
    }
  } catch {
    // Closed: the end.
  }
  const content = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    content.set(part, at);
    at += part.length;
  }
  return content;
}
