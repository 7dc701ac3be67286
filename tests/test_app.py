"""The application around its routes: health, metrics and the description of the API."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, Request
from fastapi.testclient import TestClient

from tryghed_search.app import create_app
from tryghed_search.passages import Report
from tryghed_search.search import Searcher
from tryghed_search.serving import Serving, current_serving, serving_of
from tryghed_search.store import Manifest

ASK, SECTIONS = "/api/v1/ask", "/api/v1/sections"

# --- health ---------------------------------------------------------------------------------------


def test_a_loaded_server_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"


def test_a_server_without_an_index_is_alive_but_not_ready() -> None:
    with TestClient(create_app(None)) as waiting:
        assert waiting.get("/healthz").status_code == 200
        assert waiting.get("/readyz").status_code == 503
        assert "tryghed_ready 0.0" in waiting.get("/metrics").text
        assert waiting.get("/openapi.json").status_code == 200


def test_a_request_sees_one_index_from_beginning_to_end(
    loaded: tuple[Manifest, Searcher],
) -> None:
    app = create_app(loaded)

    @app.get("/twice")
    async def twice(request: Request, first: Annotated[Serving, Depends(current_serving)]) -> bool:
        request.app.state.holder.take(*loaded)  # a new index comes while the request goes on
        return serving_of(request) is first

    with TestClient(app) as client:
        assert client.get("/twice").json() is True


def _metrics(client: TestClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z_]+(?:\{[^}]*\})? \S+", line) for line in lines)
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_requests_by_status(client: TestClient, report: Report) -> None:
    before = _metrics(client)
    assert before["tryghed_ready"] == 1.0
    assert before["tryghed_passages"] == len(report.passages)
    client.get("/healthz")
    client.get("/api/v1/nothing")
    after = _metrics(client)
    # The request for the metrics itself is counted when it has been answered.
    for status, more in (("200", 2), ("404", 1)):
        name = f'tryghed_requests_total{{status="{status}"}}'
        assert after[name] == before.get(name, 0.0) + more


# --- the description ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described(client: TestClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def _resolved(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = described
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def _of_type(value: Any, name: str) -> bool:
    if name in {"number", "integer"}:
        number = int if name == "integer" else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def misfits(value: Any, schema: dict[str, Any], described: dict[str, Any]) -> Iterator[str]:
    """Where a value does not fit a JSON Schema, of which only the words used here are known."""
    schema = _resolved(schema, described)
    known = {
        *("type", "title", "description", "properties", "required", "items", "prefixItems"),
        *("minItems", "maxItems", "anyOf", "enum", "additionalProperties", "default"),
    }
    assert schema.keys() <= known, schema.keys() - known
    if "anyOf" in schema:
        if all(list(misfits(value, option, described)) for option in schema["anyOf"]):
            yield f"{value!r:.80} fits no option"
        return
    if "type" in schema and not _of_type(value, schema["type"]):
        yield f"{value!r:.80} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r:.80} is none of {schema['enum']}"
    if isinstance(value, dict):
        yield from (
            f"{name} is missing" for name in schema.get("required", ()) if name not in value
        )
        rest = schema.get("additionalProperties", {})
        for name, item in value.items():
            for told in misfits(item, schema.get("properties", {}).get(name, rest), described):
                yield f"{name}: {told}"
    if isinstance(value, list):
        pairs = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{len(value)} items"
        for item, inner in zip(value, pairs, strict=True):
            yield from misfits(item, inner, described)


def test_the_description_names_every_route_of_the_api(described: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", described["openapi"])
    assert described["info"]["title"]
    assert described["info"]["version"]
    assert {(path, *sorted(item)) for path, item in described["paths"].items()} == {
        (ASK, "post"),
        (SECTIONS, "get"),
        ("/api/v1/meta", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    }


def test_the_description_holds_together(described: dict[str, Any]) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for item in part.values():
                yield from references(item)
        elif isinstance(part, list):
            for item in part:
                yield from references(item)

    for reference in references(described):
        assert reference.startswith("#/components/schemas/")
        assert _resolved({"$ref": reference}, described)
    operations = [op for item in described["paths"].values() for op in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert "200" in operation["responses"]
        for status, response in operation["responses"].items():
            assert response["description"]
            assert (status == "200") != ("application/problem+json" in response["content"])


def test_the_description_gives_the_rules_of_a_question(described: dict[str, Any]) -> None:
    body = described["paths"][ASK]["post"]["requestBody"]
    assert body["required"] is True
    schema = _resolved(body["content"]["application/json"]["schema"], described)
    fields = schema["properties"]
    assert schema["required"] == ["question"]
    assert (fields["question"]["minLength"], fields["question"]["maxLength"]) == (1, 500)
    assert fields["history"]["maxItems"] == 10
    limit = fields["limit"]
    assert (limit["type"], limit["minimum"], limit["maximum"], limit["default"]) == (
        "integer",
        1,
        20,
        5,
    )
    assert {fields[name]["type"] for name in ("kind", "municipality", "audience")} == {"array"}


def test_every_answer_is_as_described(client: TestClient, described: dict[str, Any]) -> None:
    def told(path: str, method: str, status: str = "200") -> dict[str, Any]:
        content = described["paths"][path][method]["responses"][status]["content"]
        (media,) = content.values()
        schema: dict[str, Any] = media["schema"]
        return schema

    for question in ("Hvad er en prepper-middag?", "Hvad gør Viborg?", "Hvad er rapporten til?"):
        answer = client.post(ASK, json={"question": question, "limit": 20}).json()
        assert list(misfits(answer, told(ASK, "post"), described)) == []
    listed = client.get(SECTIONS, params={"q": "svindel"}).json()
    assert list(misfits(listed, told(SECTIONS, "get"), described)) == []
    meta = client.get("/api/v1/meta").json()
    assert list(misfits(meta, told("/api/v1/meta", "get"), described)) == []
    refused = client.post(ASK, json={})
    assert list(misfits(refused.json(), told(ASK, "post", "422"), described)) == []
    assert list(misfits({"question": 1}, told(ASK, "post"), described)) != []
