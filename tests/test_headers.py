"""What every response tells a browser: load from here, be framed by none, send nothing on."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from tests.conftest import configured
from tryghed_search.app import create_app
from tryghed_search.headers import ALWAYS

PATHS = (
    "/",
    "/?q=indbrud",
    "/emner",
    "/rapport/lokal-tryghed-1",
    "/api/v1/meta",
    "/nothing",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/static/base.css",
    "/widget.js",
    "/widget/demo",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_the_security_headers(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert {name: response.headers.get(name) for name in ALWAYS} == dict(ALWAYS)


def test_so_has_an_unexpected_error() -> None:
    app = create_app(None, settings=configured(hsts_days=2))

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.get("/broken")
        over_tls = client.get("https://testserver/broken")
    assert response.status_code == over_tls.status_code == 500
    assert "strict-transport-security" not in response.headers
    assert over_tls.headers["strict-transport-security"] == "max-age=172800"
    assert {name: response.headers.get(name) for name in ALWAYS} == dict(ALWAYS)


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(client: TestClient) -> None:
    parts = (part.split() for part in client.get("/").headers["content-security-policy"].split(";"))
    policy = {name: values for name, *values in parts}
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    allowed = {value for values in policy.values() for value in values}
    assert allowed == {"'self'", "'none'", "'script'"}


@pytest.mark.parametrize("path", ["/", "/rapport/lokal-tryghed-1", "/static/base.css"])
def test_what_is_long_is_sent_compressed(client: TestClient, path: str) -> None:
    assert client.get(path).headers["content-encoding"] == "gzip"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
