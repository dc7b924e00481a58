"""``voltage-attest collateral``, against a PCCS on loopback."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.collateral_fetch.fake_pcs import PLATFORM, FakePcs, Wire, wire_of
from tests.collateral_fetch.loopback import Loopback, serving
from voltage_attest.cli.collateral import collateral
from voltage_attest.cli.program import Program
from voltage_attest.cli.progress import fetch_progress
from voltage_attest.collateral.intel import parse_intel_collateral
from voltage_attest.collateral.service import DocumentKind
from voltage_attest.testing import FakeIntel
from voltage_attest.testing.tls import TlsIdentity, utc_now

Run = Callable[..., Result]
FMSPC = PLATFORM.pck.fmspc.hex()


@click.group(cls=Program)
def program() -> None:
    """Stands in for the whole program."""


program.add_command(collateral)


@pytest.fixture
def pcs() -> FakePcs:
    """Dated now: the command line asks what time it is."""
    return FakePcs(FakeIntel(issued_at=utc_now() - timedelta(hours=1)).collateral(PLATFORM))


@pytest.fixture
def server(pcs: FakePcs, identity: TlsIdentity) -> Iterator[Loopback]:
    with serving(pcs.script, identity.context) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``collateral`` with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str | Path) -> Result:
        result = CliRunner().invoke(program, ["collateral", *map(str, words)])
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def ask(run: Run, server: Loopback, ca_file: Path) -> Run:
    """Run a command that asks the PCCS."""
    return lambda command, *words: run(command, "--pccs", server.base, "--tls-ca", ca_file, *words)


def test_fetch_lists_four_documents_and_then_finds_them_in_the_cache(ask: Run, server: Loopback) -> None:
    first, second = ask("fetch", "--fmspc", FMSPC), ask("fetch", "--fmspc", FMSPC.upper(), "--ca", "platform")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert [line.split()[:2] for line in first.stdout.splitlines()] == [[kind.value, "fetched"] for kind in DocumentKind]
    assert [line.split()[:2] for line in second.stdout.splitlines()] == [[kind.value, "cached"] for kind in DocumentKind]
    assert first.stderr == ""
    assert len(server.targets) == 4


def test_fetch_takes_the_platform_from_a_quote(ask: Run, server: Loopback, tmp_path: Path) -> None:
    (tmp_path / "quote").write_bytes(PLATFORM.quote())
    assert ask("fetch", "--quote", "quote").exit_code == 0
    assert f"/tdx/certification/v4/tcb?fmspc={FMSPC}&update=standard" in server.targets
    assert "/sgx/certification/v4/pckcrl?ca=platform&encoding=der" in server.targets


def test_fetch_asks_for_the_issue_that_is_named(ask: Run, server: Loopback) -> None:
    ask("fetch", "--fmspc", FMSPC, "--ca", "processor", "--update", "early")
    assert "/tdx/certification/v4/qe/identity?update=early" in server.targets
    assert "/sgx/certification/v4/pckcrl?ca=processor&encoding=der" in server.targets
    ask("fetch", "--fmspc", FMSPC, "--tcb-evaluation-data-number", "20")
    assert f"/tdx/certification/v4/tcb?fmspc={FMSPC}&tcbEvaluationDataNumber=20" in server.targets


def test_a_document_that_cannot_be_had_ends_with_3_and_a_sentence(ask: Run, pcs: FakePcs) -> None:
    pcs.instead = {DocumentKind.TCB_INFO: Wire(status=404)}
    result = ask("fetch", "--fmspc", FMSPC)
    assert result.exit_code == 3
    assert "tdx-tcb-info    MISSING" in result.stdout
    assert "answered 404" in result.stdout


def test_a_document_that_has_ended_ends_with_3_too(ask: Run, pcs: FakePcs) -> None:
    old = FakeIntel(issued_at=utc_now() - timedelta(days=40)).collateral(PLATFORM)
    pcs.instead = {DocumentKind.QE_IDENTITY: wire_of(DocumentKind.QE_IDENTITY, old)}
    result = ask("fetch", "--fmspc", FMSPC)
    assert result.exit_code == 3
    assert "td-qe-identity  NOT CURRENT" in result.stdout


def test_offline_asks_nobody_and_says_what_is_missing(ask: Run, server: Loopback) -> None:
    result = ask("fetch", "--fmspc", FMSPC, "--offline")
    assert result.exit_code == 3
    assert result.stdout.count("not in the cache and --offline was given") == 4
    assert server.targets == []


def test_export_writes_what_verify_reads(ask: Run, pcs: FakePcs, tmp_path: Path) -> None:
    result = ask("export", "--fmspc", FMSPC, "-o", "collateral.json")
    assert (result.exit_code, result.stdout) == (0, "")
    data = (tmp_path / "collateral.json").read_bytes()
    assert parse_intel_collateral(data) == parse_intel_collateral(pcs.documents.to_json())
    assert len(json.loads(data)) == 9


def test_export_goes_to_standard_output_too_and_works_offline_once_fetched(ask: Run, server: Loopback) -> None:
    ask("fetch", "--fmspc", FMSPC)
    result = ask("export", "--fmspc", FMSPC, "--offline", "-o", "-")
    assert result.exit_code == 0
    assert parse_intel_collateral(result.stdout.encode()).missing() == ()
    assert len(server.targets) == 4


def test_export_writes_nothing_where_something_is_missing(ask: Run, pcs: FakePcs, tmp_path: Path) -> None:
    pcs.instead = {DocumentKind.ROOT_CA_CRL: Wire(status=503)}
    (tmp_path / "collateral.json").write_text("old")
    result = ask("export", "--fmspc", FMSPC, "-o", "collateral.json")
    assert result.exit_code == 3
    assert "root-ca-crl     MISSING" in result.stderr
    assert result.stderr.endswith("Nothing was written.\n")
    assert (tmp_path / "collateral.json").read_text() == "old"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fetch",), "--quote FILE or by --fmspc HEX"),
        (("fetch", "--fmspc", FMSPC, "--quote", "q"), "one of the two"),
        (("fetch", "--fmspc", "90c0"), "is no FMSPC; expected 12 hex digits"),
        (("fetch", "--fmspc", "90c06f00000g"), "is no FMSPC"),
        (("fetch", "--quote", "absent"), "absent cannot be read"),
        (("fetch", "--quote", "text"), "--quote: "),
        (("fetch", "--quote", "absent", "--ca", "platform"), "--ca goes with --fmspc"),
        (("fetch", "--fmspc", FMSPC, "--pccs", "http://pccs.example.org"), "the PCCS address cannot be used"),
        (("fetch", "--fmspc", FMSPC, "--proxy", "socks://u:secret@x"), "the proxy's address cannot be used"),
        (("fetch", "--fmspc", FMSPC, "--tls-ca", "text"), "--tls-ca: text holds no certificates"),
        (("fetch", "--fmspc", FMSPC, "--update", "early", "--tcb-evaluation-data-number", "3"), "exclude each other"),
        (("fetch", "--fmspc", FMSPC, "--tcb-evaluation-data-number", "0"), "0 is not in the range"),
        (("export", "--fmspc", FMSPC), "--output"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_a_sentence(
    run: Run, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "text").write_text("no quote, no certificate")
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "secret" not in result.output


def test_list_and_prune_show_what_is_there_and_what_went(ask: Run, run: Run, tmp_path: Path) -> None:
    assert "0 documents" in run("list").stdout
    ask("fetch", "--fmspc", FMSPC)
    listed = run("list")
    assert listed.exit_code == 0
    assert "4 documents" in listed.stdout
    assert listed.stdout.count(" current ") == 4
    assert run("prune").stdout.endswith("0 documents and 0 unfinished files removed\n")
    damaged = next((tmp_path / "caches" / "voltage-attest" / "collateral").iterdir())
    damaged.write_bytes(b"x")
    pruned = run("prune")
    assert "1 document and 0 unfinished files removed" in pruned.stdout
    assert damaged.name in pruned.stdout
    assert "3 documents" in run("list").stdout


def test_a_cache_that_is_not_to_be_trusted_is_a_warning(ask: Run, run: Run, tmp_path: Path, server: Loopback) -> None:
    ask("fetch", "--fmspc", FMSPC)
    (tmp_path / "caches" / "voltage-attest" / "collateral").chmod(0o777)
    result = ask("fetch", "--fmspc", FMSPC)
    assert result.exit_code == 0
    assert "warning: The cache was not used" in result.stderr
    assert len(server.targets) == 8
    assert "warning: " in run("list").stderr


@pytest.mark.parametrize("command", ["fetch", "export", "list", "prune"])
def test_every_command_has_help(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with fetch_progress() as progress:
        assert progress is not None
        progress(DocumentKind.TCB_INFO, "asking Intel [/nonsense]")
    assert "tdx-tcb-info" in terminal.getvalue()
    assert "asking Intel [/nonsense]" in terminal.getvalue()
    with fetch_progress(quiet=True) as silent:
        assert silent is None
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with fetch_progress() as silent:
        assert silent is None
    assert pipe.getvalue() == ""
