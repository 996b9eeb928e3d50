"""Calls as a part of a FastAPI application, which knows who calls and lists the calls that have ended.

pip install 'duologue[local]' fastapi
uvicorn --app-dir examples fastapi_app:app              # the page: http://127.0.0.1:8000/voice/?token=let-me-in
"""

from collections import deque
from urllib.parse import parse_qs

from fastapi import FastAPI

import duologue

USERS = {"let-me-in": "ada"}
ENDED: deque[dict[str, object]] = deque(maxlen=100)


async def agent(text: str, turn: duologue.Turn):
    """Answer."""
    yield f"You said: {text} "
    yield f"I know you as {turn.call.info.claims.get('sub', 'a stranger')}."


def on_end(session, record):
    """Note a call that has ended."""
    ENDED.append({"call": session.id, "reason": record.reason, "turns": len(record.turns)})


class Login:
    """An ASGI middleware that tells by the token in the address who calls; a real one checks a signature."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            claims = {"sub": USERS[token]} if token in USERS else {}
            scope = {**scope, "state": {**scope.get("state", {}), "claims": claims}}
        await self.app(scope, receive, send)


voice = duologue.asgi(agent, on_end=on_end)
app = FastAPI(lifespan=voice.lifespan)
app.add_middleware(Login)
app.mount("/voice", voice)


@app.get("/calls")
async def calls() -> list[dict[str, object]]:
    """List the calls that have ended."""
    return list(ENDED)
