"""A component of the standard world `wasi:http/proxy@0.2`, in Python."""

from wit_world import exports
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    Method_Post,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)
from componentize_py_types import Err, Ok

CHUNK = 4096  # what one `blocking_write_and_flush` takes


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        path = request.path_with_query() or ""
        if path.endswith("/loop/"):
            while True:
                pass
        if path.endswith("/trap/"):
            raise RuntimeError("told to")
        if isinstance(request.method(), Method_Post):
            content = read_all(request)
        else:
            content = f"Hello from Python at {path}\n".encode()

        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as output:
            for start in range(0, len(content), CHUNK):
                output.blocking_write_and_flush(content[start : start + CHUNK])
        OutgoingBody.finish(body, None)


def read_all(request: IncomingRequest) -> bytes:
    content = bytearray()
    with request.consume() as body, body.stream() as stream:
        while True:
            try:
                content += stream.blocking_read(65_536)
            except Err:  # closed: the end
                return bytes(content)
