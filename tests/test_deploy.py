"""What deploy/ promises: settings that there are, a sandboxed unit, an image without root."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tryghed_search import settings

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "tryghed-search.service").read_text(encoding="utf-8")
IMAGE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
NGINX = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")


def test_the_file_of_settings_is_one_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYGHED_CONFIG", str(DEPLOY / "tryghed-search.toml"))
    assert settings.load().trusted_proxies == ("127.0.0.1", "::1")


@pytest.mark.parametrize("text", [UNIT, IMAGE], ids=["unit", "image"])
def test_every_variable_that_is_set_is_a_setting(text: str) -> None:
    named = set(re.findall(r"\bTRYGHED_[A-Z_]+", text))
    assert named
    assert named <= {name for name, *_ in settings.table()}


def test_the_unit_takes_all_rights_away_that_it_can() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(UNIT)
    service = dict(parser["Service"])
    for name in ("NoNewPrivileges", "DynamicUser", "PrivateTmp", "PrivateDevices", "ProtectHome",
                 "ProtectKernelTunables", "ProtectControlGroups", "RestrictSUIDSGID"):  # fmt: skip
        assert service[name] == "yes", name
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["IPAddressDeny"] == "any"
    assert int(service["TimeoutStopSec"]) > settings.Settings().stop_seconds
    assert int(service["LimitNOFILE"]) > settings.Settings().connections


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """Where there is a systemd; everywhere, that the program is started as it can be."""
    assert "tryghed-search --config /etc/tryghed-search.toml serve --host" in UNIT
    analyze = shutil.which("systemd-analyze")
    if analyze:
        copy = tmp_path / "tryghed-search.service"
        copy.write_text(re.sub(r"/opt/\S+/bin/tryghed-search", "/bin/true", UNIT), "utf-8")
        done = subprocess.run(
            [analyze, "verify", copy], capture_output=True, text=True, check=False
        )
        assert "tryghed-search.service" not in done.stderr, done.stderr


def test_the_image_runs_without_root_and_is_asked_whether_it_is_ready() -> None:
    last = IMAGE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "/readyz" in last
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", IMAGE, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name


def test_nginx_lets_no_client_say_who_it_is() -> None:
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in NGINX
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in NGINX
    assert "$proxy_add_x_forwarded_for" not in NGINX
    assert NGINX.count("{") == NGINX.count("}")
