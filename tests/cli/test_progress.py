"""Progress of an attestation: on terminals alone, and gone at the end."""

from __future__ import annotations

import io
import sys

import pytest

from voltage_attest.cli.progress import fetch_progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_where_there_is_no_terminal_or_it_is_not_wanted_there_is_no_progress(
    monkeypatch: pytest.MonkeyPatch,
    stream: io.StringIO,
    quiet: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with fetch_progress(quiet=quiet) as progress:
        assert progress is None
    assert stream.getvalue() == ""


def test_a_terminal_shows_what_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with fetch_progress(quiet=False) as progress:
        assert progress is not None
        progress("pod", "asking for evidence")
        progress("pod", "answered")
        progress("tdx-tcb-info", "asking Intel")
    shown = terminal.getvalue()
    assert "pod" in shown
    assert "tdx-tcb-info" in shown
    assert shown.endswith("\x1b[2K") or "\x1b[?25h" in shown
