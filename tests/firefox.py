"""Debian's Firefox, driven over Marionette, its own protocol: JSON over a socket.

https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENTER = "\ue007"
TAB = "\ue004"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # https://www.w3.org/TR/webdriver2/#elements
_PREFERENCES = {
    "marionette.port": 0,  # a free one, which it writes down
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """One window of a running Firefox."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._stream = self._socket.makefile("rb")
        self._number = 0
        self._received()  # its greeting
        session = self._send("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        self.version = session["capabilities"]["browserVersion"]

    def visit(self, url: str) -> None:
        """Load a page."""
        self._send("WebDriver:Navigate", {"url": url})

    def run(self, script: str, *args: object) -> Any:
        """What a function body returns, or what its promise comes to."""
        return self._send("WebDriver:ExecuteScript", {"script": script, "args": list(args)})[
            "value"
        ]

    def wait(self, expression: str, seconds: float = 30.0) -> None:
        """Wait until a JavaScript expression holds."""
        end = time.monotonic() + seconds
        while not self.run(f"return Boolean({expression})"):
            assert time.monotonic() < end, expression
            time.sleep(0.05)

    def press(self, keys: str) -> None:
        """Press and release these keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._send("WebDriver:PerformActions", {"actions": [source]})

    def picture(self, selector: str) -> bytes:
        """What an element looks like, as PNG."""
        found = {"using": "css selector", "value": selector}
        element = self._send("WebDriver:FindElement", found)["value"][_ELEMENT]
        shot = self._send("WebDriver:TakeScreenshot", {"id": element, "full": False})
        return base64.b64decode(shot["value"])

    def resize(self, width: int, height: int) -> None:
        """Give the window this size."""
        self._send("WebDriver:SetWindowRect", {"width": width, "height": height})

    def close(self) -> None:
        """Let go of it; who started it ends it."""
        self._stream.close()
        self._socket.close()

    def _send(self, command: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        body = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(body), body))
        _, number, error, result = self._received()
        assert number == self._number
        assert error is None, error
        return dict(result or {})

    def _received(self) -> Any:
        size = b""
        while (byte := self._stream.read(1)) != b":":
            assert byte, "Firefox hung up"
            size += byte
        return json.loads(self._stream.read(int(size)))


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A Firefox without a screen, with an empty profile in that folder."""
    profile.mkdir(parents=True, exist_ok=True)
    lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    assert program, "install Debian's firefox-esr"
    process = subprocess.Popen(
        [program, "--headless", "--marionette", "--no-remote", "--profile", profile],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        written = profile / "MarionetteActivePort"
        end = time.monotonic() + 120
        while not (written.is_file() and written.read_text()):
            assert process.poll() is None, "Firefox did not start"
            assert time.monotonic() < end
            time.sleep(0.1)
        window = Firefox(int(written.read_text()))
        yield window
        window.close()
    finally:
        process.terminate()
        process.wait(30)
