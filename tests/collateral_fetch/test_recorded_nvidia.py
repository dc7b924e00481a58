"""Real manifests and key sets of NVIDIA, as its services answer with them: read, dated, and kept while they hold."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.collateral_fetch.fake_nvidia import DRIVER, FakeNvidia
from tests.collateral_fetch.fake_pcs import Wire
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher, cached, nvidia_over
from voltage_attest.collateral.nvidia_answers import read_kept_window
from voltage_attest.collateral.nvidia_requests import NvidiaKind
from voltage_attest.crypto.certificates import load_certificate
from voltage_attest.crypto.signatures import P384
from voltage_attest.crypto.xml_signature import parse_signed_xml

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "fixtures/real/nv-local-gpu-verifier-2.7.3/samples").glob("*.swidtag"))
VECTORS = ROOT.parent / "shared" / "vectors" / "gpu"
KEYS = ROOT / "fixtures/real/voltage-verify-0.2.3/nras_jwks_2026-09-12.json"


def enveloped(manifest: bytes, rim_id: str = DRIVER) -> bytes:
    """As the service would send it."""
    found = {
        "id": rim_id,
        "rim": base64.b64encode(manifest).decode(),
        "sha256": hashlib.sha256(manifest).hexdigest(),
        "last_updated": "2026-01-01T00:00:00Z",
        "rim_format": "TCG",
        "request_id": "00000000-0000-0000-0000-000000000000",
    }
    return json.dumps(found).encode()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_manifests_window_is_that_in_which_all_its_certificates_hold(path: Path) -> None:
    manifest = path.read_bytes()
    window = read_kept_window(NvidiaKind.RIM, enveloped(manifest))
    assert window is not None
    chain = [load_certificate(der, "RIM", P384) for der in parse_signed_xml(manifest, "RIM").certificates]
    assert window.issued == max(certificate.not_before for certificate in chain)
    assert window.next_update == min(certificate.not_after for certificate in chain)


@pytest.mark.skipif(not VECTORS.is_dir(), reason=f"{VECTORS} is not here")
def test_every_shared_manifest_has_a_window() -> None:
    texts = [path.read_bytes() for path in VECTORS.rglob("*") if path.suffix in {".xml", ".swidtag"}]
    manifests = [text for text in texts if b"SoftwareIdentity" in text]
    assert len(manifests) >= 30
    assert all(read_kept_window(NvidiaKind.RIM, enveloped(manifest)) for manifest in manifests)


def test_a_real_manifest_comes_through_fetch_and_cache_byte_for_byte(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    manifest = SAMPLES[0].read_bytes()
    window = read_kept_window(NvidiaKind.RIM, enveloped(manifest))
    assert window is not None
    service = nvidia_over(FakeNvidia({f"/v1/rim/{DRIVER}": Wire(enveloped(manifest))}).transport, cache=tmp_path / "cache")
    for from_cache in (False, True):
        fetched = nvidia.rims(service, DRIVER, now=window.next_update - timedelta(days=1))
        assert fetched.collateral.rims[0].data == manifest
        assert cached(fetched) == [("nvidia-rim", from_cache)]
    assert cached(nvidia.rims(service, DRIVER, now=window.next_update + timedelta(days=1))) == [("nvidia-rim", False)]


def test_a_real_key_set_is_current_until_its_newest_key_ends(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    keys = KEYS.read_bytes()
    service = nvidia_over(FakeNvidia({"/.well-known/jwks.json": Wire(keys)}).transport, cache=tmp_path / "cache")
    fetched = nvidia.jwks(service, now=datetime(2026, 9, 12, tzinfo=UTC))
    assert fetched.collateral.jwks == (keys,)
    assert fetched.sources[0].issued == datetime(2026, 9, 11, 19, 44, 31, tzinfo=UTC)
    assert fetched.sources[0].next_update == datetime(2026, 9, 13, 19, 45, 1, tzinfo=UTC)
    kid = json.loads(keys)["keys"][0]["kid"]
    assert cached(nvidia.jwks(service, [kid], now=datetime(2026, 11, 1, tzinfo=UTC))) == [("nvidia-jwks", True)]
