"""``voltage-attest collateral`` and NVIDIA's documents, against services on loopback, with NVIDIA's own sample evidence."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.collateral_fetch.fake_nvidia import DRIVER, VBIOS, FakeNvidia, certificate, crl, jwks, ocsp_answer, rim_answer
from tests.collateral_fetch.fake_pcs import Wire
from tests.collateral_fetch.loopback import Loopback, serving_requests
from voltage_attest.cli.collateral import collateral
from voltage_attest.cli.program import Program
from voltage_attest.collateral.rim import parse_rim_file
from voltage_attest.testing.tls import TlsIdentity, utc_now

Run = Callable[..., Result]
SAMPLES = Path(__file__).parents[2] / "fixtures/real/nv-local-gpu-verifier-2.7.3/samples"
SAMPLE_DRIVER = "NV_GPU_DRIVER_GH100_550.90.07"


@click.group(cls=Program)
def program() -> None:
    """Stands in for the whole program."""


program.add_command(collateral)


class LiveNvidia(FakeNvidia):
    """Dated now: the command line asks what time it is."""

    def find(self, method: str, url: str, body: bytes) -> Wire:
        begin = utc_now() - timedelta(hours=1)
        self.asked.append((method, url, body))
        if url in self.instead:
            return self.instead[url]
        if url.startswith("/v1/rim/"):
            return Wire(rim_answer(url.removeprefix("/v1/rim/"), certificate(begin=begin)))
        if url.startswith(("/crl/", "/crl-corim/")):
            return Wire(crl(begin), "application/pkix-crl")
        if url == "/.well-known/jwks.json":
            return Wire(jwks(begin=begin))
        return Wire(ocsp_answer(body, begin), "application/ocsp-response")


@pytest.fixture
def live() -> LiveNvidia:
    return LiveNvidia({})


@pytest.fixture
def server(live: LiveNvidia, identity: TlsIdentity) -> Iterator[Loopback]:
    with serving_requests(live.script, identity.context) as running:
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
    """Run a command that asks the services."""
    return lambda command, *words: run(command, "--nvidia", server.base, "--tls-ca", ca_file, *words)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """NVIDIA's H100 sample as a pod would hand it over, twice."""
    report = bytes.fromhex((SAMPLES / "hopperAttestationReport.txt").read_text().strip())
    chain = (SAMPLES / "hopperCertChain.txt").read_bytes()
    item = {"evidence": base64.b64encode(report).decode(), "certificate": base64.b64encode(chain).decode()}
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps({"nonce": report[4:36].hex(), "arch": "HOPPER", "evidence_list": [item, item]}))
    return path


def states(result: Result) -> list[list[str]]:
    return [line.split()[:2] for line in result.stdout.splitlines()]


def test_fetch_takes_from_gpu_evidence_what_it_needs_each_once_and_then_from_the_cache(
    ask: Run, live: LiveNvidia, evidence: Path
) -> None:
    first = ask("fetch", "--gpu-evidence", evidence)
    assert (first.exit_code, first.stderr) == (0, "")
    asked = sorted(url for _, url, _ in live.asked)
    assert f"/v1/rim/{SAMPLE_DRIVER}" in asked
    assert len([url for url in asked if url.startswith("/v1/rim/NV_GPU_VBIOS_")]) == 1
    assert len([url for url in asked if url.startswith("/crl/")]) == 2
    assert len({body for _, url, body in live.asked if url == "/"}) == asked.count("/") == 3
    again = ask("fetch", "--gpu-evidence", evidence)
    assert again.exit_code == 0
    assert len(live.asked) == len(asked)
    assert sorted(states(again)) == sorted([kind, "cached"] for kind, _ in states(first))


def test_fetch_takes_manifests_by_id_and_keys(ask: Run, live: LiveNvidia) -> None:
    result = ask("fetch", "--rim", DRIVER, "--rim", VBIOS, "--jwks")
    assert result.exit_code == 0
    assert states(result) == [["nvidia-rim", "fetched"], ["nvidia-rim", "fetched"], ["nvidia-jwks", "fetched"]]
    assert len(live.asked) == 3


def test_what_nvidia_does_not_publish_ends_with_3_and_says_which(ask: Run, live: LiveNvidia) -> None:
    live.instead = {f"/v1/rim/{DRIVER}": Wire(status=404)}
    result = ask("fetch", "--rim", DRIVER, "--rim", VBIOS)
    assert result.exit_code == 3
    assert f"nvidia-rim      MISSING      NVIDIA publishes no RIM {DRIVER} (HTTP 404)" in result.stdout


def test_a_manifest_whose_signer_has_expired_ends_with_3_too(ask: Run, live: LiveNvidia) -> None:
    old = certificate(begin=utc_now() - timedelta(days=9), life=timedelta(days=1))
    live.instead = {f"/v1/rim/{DRIVER}": Wire(rim_answer(DRIVER, old))}
    result = ask("fetch", "--rim", DRIVER)
    assert result.exit_code == 3
    assert "nvidia-rim      NOT CURRENT" in result.stdout


def test_offline_asks_nobody(ask: Run, server: Loopback, evidence: Path) -> None:
    result = ask("fetch", "--gpu-evidence", evidence, "--jwks", "--offline")
    assert result.exit_code == 3
    assert result.stdout.count("not in the cache and --offline was given") == len(result.stdout.splitlines())
    assert server.received == []


def test_export_writes_a_manifest_as_it_is_signed(ask: Run, live: LiveNvidia, tmp_path: Path) -> None:
    manifest = (SAMPLES / "Driver_RIM_test_no_gpu.swidtag").read_bytes()
    found = {"id": DRIVER, "rim": base64.b64encode(manifest).decode()}
    live.instead = {f"/v1/rim/{DRIVER}": Wire(json.dumps(found).encode())}
    result = ask("export", "--rim", DRIVER, "-o", "driver.xml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "driver.xml").read_bytes() == manifest
    assert parse_rim_file(manifest).data == manifest


def test_export_writes_keys_to_standard_output(ask: Run) -> None:
    assert list(json.loads(ask("export", "--jwks", "-o", "-").stdout)) == ["keys"]


def test_export_writes_nothing_where_it_is_missing(ask: Run, live: LiveNvidia, tmp_path: Path) -> None:
    live.instead = {f"/v1/rim/{DRIVER}": Wire(status=404)}
    result = ask("export", "--rim", DRIVER, "-o", "driver.xml")
    assert result.exit_code == 3
    assert result.stderr.endswith("Nothing was written.\n")
    assert not (tmp_path / "driver.xml").exists()


def test_list_and_prune_know_every_kind(ask: Run, run: Run, evidence: Path, tmp_path: Path) -> None:
    ask("fetch", "--gpu-evidence", evidence, "--jwks")
    listed = run("list")
    kinds = {line.split()[0] for line in listed.stdout.splitlines()[1:]}
    assert kinds == {"nvidia-rim", "nvidia-ocsp", "nvidia-crl", "nvidia-jwks"}
    assert listed.stdout.count(" current ") == len(listed.stdout.splitlines()) - 1
    assert max(map(len, listed.stdout.splitlines())) < 200
    assert "0 documents and 0 unfinished files removed" in run("prune").stdout
    damaged = next((tmp_path / "caches" / "voltage-attest" / "collateral").iterdir())
    damaged.write_bytes(b"x")
    assert "1 document and 0 unfinished files removed" in run("prune").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fetch", "--rim", "driver"), "is no RIM id; expected one like NV_GPU_DRIVER"),
        (("fetch", "--rim", "../x"), "is no RIM id"),
        (("fetch", "--gpu-evidence", "absent"), "absent cannot be read"),
        (("fetch", "--gpu-evidence", "text"), "--gpu-evidence: "),
        (("fetch", "--gpu-evidence", "binary"), "--gpu-evidence: the file is no text"),
        (("fetch", "--gpu-evidence", "hollow"), "no report in it names a manifest"),
        (("fetch", "--jwks", "--nvidia", "http://nvidia.example.org"), "service cannot be used: it is http, not https"),
        (("fetch", "--jwks", "--tls-ca", "text"), "--tls-ca: text holds no certificates"),
        (("fetch", "--jwks", "--proxy", "socks://u:secret@x"), "the proxy's address cannot be used"),
        (("fetch",), "or a document of NVIDIA's instead"),
        (("export", "--rim", DRIVER, "--jwks", "-o", "x"), "One file holds one thing"),
        (("export", "--rim", DRIVER, "--fmspc", "90c06f000000", "-o", "x"), "One file holds one thing"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_a_sentence(
    run: Run, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "text").write_text("no evidence, no certificate")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    item = {"evidence": base64.b64encode(bytes(99)).decode(), "certificate": base64.b64encode(b"x").decode()}
    (tmp_path / "hollow").write_text(json.dumps({"nonce": "00" * 32, "arch": "HOPPER", "evidence_list": [item]}))
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "secret" not in result.output
