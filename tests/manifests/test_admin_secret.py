"""Grafana's first container against an API server of the test's own: the script is run as it stands."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.manifests.stack_files import ROOT, Object

SCRIPT = ROOT / "grafana" / "admin-secret.sh"


@dataclass
class Secrets:
    """The Secrets of one namespace, as much of them as the script asks for."""

    url: str = ""
    stored: dict[str, Object] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    rival: Object | None = None
    refuse: bool = False

    async def read(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers["Authorization"])
        if self.refuse:
            return web.json_response({"kind": "Status", "code": 403}, status=403)
        found = self.stored.get(request.match_info["name"])
        return web.Response(text=json.dumps(found or {}, indent=2), status=200 if found else 404)

    async def make(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        name = wanted["metadata"]["name"]
        if self.rival:
            self.stored[name] = self.rival
            return web.json_response({}, status=409)
        text = wanted.pop("stringData")
        self.stored[name] = wanted | {"data": {key: encoded(value) for key, value in text.items()}}
        return web.json_response(self.stored[name], status=201)


@pytest.fixture
async def secrets() -> AsyncIterator[Secrets]:
    """Served on loopback."""
    served = Secrets()
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/monitoring/secrets/{name}", served.read)
    app.router.add_post("/api/v1/namespaces/monitoring/secrets", served.make)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = str(site.name)
    yield served
    await runner.cleanup()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def run(secrets: Secrets, folder: Path) -> tuple[int, str]:
    """Exit status and everything the script said."""
    (folder / "token").write_text("the-token")
    (folder / "ca.crt").write_text("")
    environment = {
        "PATH": "/usr/bin:/bin",
        "NAMESPACE": "monitoring",
        "TARGET": str(folder / "password"),
        "API_SERVER": secrets.url,
        "SERVICE_ACCOUNT": str(folder),
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("bash", str(SCRIPT), env=environment, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, (out + err).decode()


async def test_password_is_random_and_kept_when_there_was_no_secret(secrets: Secrets, tmp_path: Path) -> None:
    """Long, of letters that need no quoting, told to nobody, and the same the next time."""
    code, said = await run(secrets, tmp_path)
    password = (tmp_path / "password").read_text()
    assert code == 0, said
    assert len(password) == 32
    assert secrets.stored["grafana-admin"]["data"] == {"user": encoded("admin"), "password": encoded(password)}
    assert password not in said
    assert secrets.tokens == {"Bearer the-token"}
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0

    await run(secrets, tmp_path)
    assert (tmp_path / "password").read_text() == password


async def test_password_is_the_users_when_the_secret_was_there(secrets: Secrets, tmp_path: Path) -> None:
    """Whoever brings a Secret keeps it."""
    secrets.stored["grafana-admin"] = {
        "metadata": {"name": "grafana-admin"},
        "data": {"password": encoded("my own\"'")},
    }
    code, said = await run(secrets, tmp_path)
    assert code == 0, said
    assert (tmp_path / "password").read_text() == "my own\"'"


async def test_password_is_the_rivals_when_somebody_else_was_faster(secrets: Secrets, tmp_path: Path) -> None:
    """Made between looking and making: theirs is the one."""
    secrets.rival = {"metadata": {"name": "grafana-admin"}, "data": {"password": encoded("theirs")}}
    code, said = await run(secrets, tmp_path)
    assert code == 0, said
    assert (tmp_path / "password").read_text() == "theirs"


@pytest.mark.parametrize("problem", ["refused", "no key"])
async def test_container_fails_and_says_why_when_there_is_no_password(
    secrets: Secrets, tmp_path: Path, problem: str
) -> None:
    """Grafana must not start with a password that anybody can guess."""
    secrets.refuse = problem == "refused"
    secrets.stored["grafana-admin"] = {"data": {"user": encoded("admin")}}
    code, said = await run(secrets, tmp_path)
    assert code == 1
    assert ("HTTP 403" if secrets.refuse else 'no key "password"') in said
    assert not (tmp_path / "password").exists()
