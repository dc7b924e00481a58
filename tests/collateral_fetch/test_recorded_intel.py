"""Intel's own answers of 20 May 2026, headers included, served over TLS on loopback and read by the real client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.collateral_fetch.fetching import Fetcher
from tests.collateral_fetch.loopback import Loopback, serving
from tests.support.outcomes import open_policy
from voltage_attest.collateral.cache import CollateralCache
from voltage_attest.collateral.service import CollateralRequest, CollateralService, DocumentKind, PcsEndpoint
from voltage_attest.result import Status
from voltage_attest.testing.tls import TlsIdentity
from voltage_attest.verifier import Evidence, Verifier

AT = datetime(2026, 5, 20, 3, 0, tzinfo=UTC)
REQUEST = CollateralRequest(bytes.fromhex("90c06f000000"), "platform")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded answer: path, headers as they were, and body."""

    path: str
    head: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def wire(self) -> bytes:
        lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in self.head), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


@pytest.fixture
def recordings(vectors: Path) -> dict[str, Recording]:
    found = {}
    for file in (vectors / "tdx" / "pcs-responses-2026-05-20").glob("*.json"):
        recorded = json.loads(file.read_text("utf-8"))
        head = tuple((name, value) for name, values in recorded["headers"].items() for value in values)
        path = urlsplit(recorded["url"]).path
        found[path] = Recording(path, head, file.with_suffix(".body").read_bytes())
    if len(found) != 4:
        pytest.skip("../shared/vectors/tdx/pcs-responses-2026-05-20 is not there")
    return found


def endpoint(server: Loopback) -> PcsEndpoint:
    return PcsEndpoint("the recording", server.base, f"{server.base}/IntelSGXRootCA.der")


@pytest.fixture
def server(recordings: dict[str, Recording], identity: TlsIdentity) -> Iterator[Loopback]:
    def script(connection: socket.socket, target: str) -> None:
        connection.sendall(recordings[urlsplit(target).path].wire)

    with serving(script, identity.context) as running:
        yield running


def test_recorded_answers_are_read_kept_and_verify_by_intels_real_root(
    fetch: Fetcher, server: Loopback, ca_file: Path, tmp_path: Path, real: Path
) -> None:
    quote = (real / "voltage-verify-0.2.3" / "quote_h200_2026-09-04.bin").read_bytes()
    cold, warm = (
        fetch(
            CollateralService((endpoint(server),), cache=CollateralCache(tmp_path / "cache"), tls_ca=ca_file), REQUEST, now=AT
        )
        for _ in range(2)
    )
    assert len(server.targets) == 4
    assert [source.from_cache for source in warm.sources] == [True] * 4
    assert cold.collateral == warm.collateral
    assert (cold.warnings, warm.warnings) == ((), ())

    result = Verifier(open_policy()).examine(Evidence(quote=quote), warm.collateral, at=AT)
    rows = {row.id: row.status for row in result.checks}
    about = ("tdx.crl.", "tdx.tcb_info.", "tdx.qe_identity.")
    assert {status for check_id, status in rows.items() if check_id.startswith(about)} == {Status.PASSED}
    # The quote is of September: its platform's certificate is younger than the recording. All else holds.
    assert {check_id for check_id, status in rows.items() if status is Status.FAILED} == {"tdx.pck.validity"}


def test_the_recorded_texts_are_the_bodies_own_bytes(recordings: dict[str, Recording], server: Loopback, ca_file: Path) -> None:
    fetched = CollateralService((endpoint(server),), tls_ca=ca_file).fetch(REQUEST, now=AT)
    raw = fetched.collateral
    assert recordings["/IntelSGXRootCA.der"].body.hex() == raw.root_ca_crl
    assert recordings["/sgx/certification/v4/pckcrl"].body.hex() == raw.pck_crl
    body = recordings["/tdx/certification/v4/tcb"].body.decode()
    assert body == f'{{"tcbInfo":{raw.tcb_info},"signature":"{raw.tcb_info_signature}"}}'
    windows = {source.kind: source.next_update for source in fetched.sources}
    assert windows[DocumentKind.ROOT_CA_CRL] == datetime(2027, 2, 26, 13, 4, tzinfo=UTC)
    assert windows[DocumentKind.TCB_INFO] == datetime(2026, 6, 19, 1, 16, 27, tzinfo=UTC)
