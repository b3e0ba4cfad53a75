"""An app of the world `bandstand:app/app` in Python: a guest book with its own table in the host's database."""

import html
import json
from urllib.parse import parse_qs

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import environment, queries, request, urls
from wit_world.imports.bandstand_db_types import Param_One, Statement, Value_Integer, Value_Text
from wit_world.imports.bandstand_routing_types import Body_Bytes, Body_Described, Body_Empty, Request, Response

ROUTES = [
    {"path": "/", "methods": ["GET"], "name": "index"},
    {"path": "/sign/", "methods": ["POST"], "name": "sign"},
    {"path": "/entry/{id:int}/", "methods": ["GET"], "name": "entry"},
    {"path": "/loop/", "methods": ["GET"]},
]

MANIFEST = {
    "v": 1,
    "name": "guestbook",
    "label": "Guest book",
    "version": "1.0.0",
    "models": [
        {
            "name": "entry",
            "ordering": ["-id"],
            "fields": [
                {"name": "id", "kind": "auto"},
                {"name": "name", "kind": "char", "max_length": 50},
                {"name": "words", "kind": "text"},
                {"name": "written", "kind": "datetime"},
            ],
        }
    ],
    "routes": ROUTES,
    "capabilities": [{"name": "db", "required": True, "reason": "keeps the entries"}],
}

# The bytes are the key of the host's plan, so they are made once.
LATEST = json.dumps({"v": 1, "from": "entry", "fields": ["id", "name", "words"], "limit": 20}).encode()
ONE = json.dumps({"v": 1, "from": "entry", "fields": ["name", "words"], "filter": [["exact", "id", {"$": 0}]]}).encode()
ADD = json.dumps(
    {
        "v": 1,
        "op": "insert",
        "from": "entry",
        "set": {"name": {"$": 0}, "words": {"$": 1}, "written": {"$": 2}},
        "returning": ["id"],
    }
).encode()


class Manifest(exports.Manifest):
    def describe(self) -> str:
        return json.dumps(MANIFEST)


class Handler(exports.Handler):
    async def handle(self, request: Request) -> Response:
        match ROUTES[request.route]["path"]:
            case "/":
                return await index()
            case "/sign/":
                return await sign()
            case "/loop/":
                while True:
                    pass
            case _:
                return await entry(int(request.params[0]))


def page(body: str, status: int = 200) -> Response:
    content = f"<!doctype html><html lang=en><title>Guest book</title><h1>Guest book</h1>{body}</html>"
    return Response(status, [("content-type", "text/html; charset=utf-8")], Body_Bytes(content.encode()))


def not_found() -> Response:
    document = {"error": {"status": 404, "message": "Nobody wrote that."}}
    return Response(404, [], Body_Described(json.dumps(document).encode()))


async def index() -> Response:
    rows = await queries.fetch(Statement(LATEST, []))
    cells = [cell.value for cell in rows.cells]
    items = [
        f'<li><a href="{urls.reverse("entry", [str(id)])}">{html.escape(name)}</a>: {html.escape(words)}</li>'
        for id, name, words in zip(cells[0::3], cells[1::3], cells[2::3])
    ]
    form = f'<form method=post action="{urls.reverse("sign", [])}"><input name=name><input name=words><button>Sign</button></form>'
    return page(f"<ul>{''.join(items)}</ul>{form}")


async def entry(id: int) -> Response:
    rows = await queries.fetch(Statement(ONE, [Param_One(Value_Integer(id))]))
    if not rows.cells:
        return not_found()
    name, words = (cell.value for cell in rows.cells)
    return page(f"<h2>{html.escape(name)}</h2><p>{html.escape(words)}</p>")


async def sign() -> Response:
    form = parse_qs((await request.body(65_536)).decode("utf-8", "replace"))
    name, words = (form.get(field, [""])[0] for field in ("name", "words"))
    values = [Value_Text(name), Value_Text(words), Value_Integer(environment.now())]
    try:
        outcome = await queries.execute(Statement(ADD, [Param_One(value) for value in values]))
    except Err as error:
        if error.value.code != "invalid-value":
            raise
        return page(f"<p>{html.escape(error.value.message)}</p>", 422)
    [id] = outcome.returned.cells
    return Response(303, [("location", urls.reverse("entry", [str(id.value)]))], Body_Empty())
