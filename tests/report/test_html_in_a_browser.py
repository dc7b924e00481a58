"""The HTML report in headless Chromium: no message on the console, no request, both themes, and on paper."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import REFUSED, VERIFIED
from tests.report.test_html import NODE
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report

BROWSER: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")

FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever is asked for, by the page or by the browser itself, goes nowhere
)
DARK, LIGHT = 0, 1
_OWN: Final = "not an origin"


def opened(folder: Path, text: str, *flags: str) -> tuple[str, list[str]]:
    """What the browser logged, and every address that the page asked for; the browser's own requests have no origin."""
    (folder / "report.html").write_text(text, "utf-8")
    net = folder / "net.json"
    command = [BROWSER or "", *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={net}", *flags]
    done = subprocess.run([*command, f"file://{folder / 'report.html'}"], capture_output=True, timeout=120, check=True)
    events = json.loads(net.read_text("utf-8"))["events"]
    of_pages = [event["params"] for event in events if event.get("params", {}).get("initiator", _OWN) != _OWN]
    asked = [params["url"] for params in of_pages if not params["url"].startswith(("file:", "data:", "chrome"))]
    return done.stderr.decode("utf-8", "replace"), asked


def test_a_request_and_a_message_would_be_seen(tmp_path: Path) -> None:
    page = "<img src='http://elsewhere.example/x.png'><script>console.log('said')</script>"
    log, asked = opened(tmp_path, page, "--dump-dom")
    assert asked == ["http://elsewhere.example/x.png"]
    assert "CONSOLE" in log


def test_nothing_is_asked_for_and_nothing_complains(tmp_path: Path) -> None:
    results = {"verified": VERIFIED, "refused": REFUSED, "node": NODE}
    named = [Named(name, result) for name, result in results.items()] + [hostile(attack) for attack in ATTACKS]
    log, asked = opened(tmp_path, render_report("html", named), "--dump-dom")
    assert "CONSOLE" not in log
    assert asked == []


def test_the_themes_differ_and_both_are_drawn(tmp_path: Path) -> None:
    text = render_report("html", [Named("pod_7", NODE)])
    pictures = []
    for theme in (DARK, LIGHT):
        picture = tmp_path / f"{theme}.png"
        opened(tmp_path, text, f"--screenshot={picture}", f"--blink-settings=preferredColorScheme={theme}")
        pictures.append(picture.read_bytes())
    assert pictures[0] != pictures[1]
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 10_000 for picture in pictures)


def test_it_prints(tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    log, asked = opened(tmp_path, render_report("html", [Named("pod_7", NODE)]), f"--print-to-pdf={paper}")
    assert paper.read_bytes().startswith(b"%PDF")
    assert "CONSOLE" not in log
    assert asked == []
