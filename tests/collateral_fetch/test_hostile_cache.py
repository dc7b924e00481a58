"""An attacker who can write to the cache: every document is judged at every use, so he gets a refusal or a new fetch."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.collateral_fetch.fake_pcs import AT, INTEL, PLATFORM, REQUEST, FakePcs, wire_of
from tests.collateral_fetch.fetching import Fetcher, kinds, service_over
from tests.support.outcomes import failed_ids, open_policy
from voltage_attest.collateral.cache import CachedAnswer, CollateralCache, decode_entry, encode_entry
from voltage_attest.collateral.service import CollateralRequest, CollateralService, DocumentKind, FetchedCollateral
from voltage_attest.result import AttestationResult, Verdict
from voltage_attest.testing import FakeIntel, PckFields, pad_components
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Evidence, Verifier

# An out-of-date platform: refused with genuine collateral, and what an attacker would like to see verified.
OUT_OF_DATE = INTEL.platform(PckFields(components=pad_components(3, 3, 2, 2, 4, 1, 0, 5)))
ROOTS = TrustRoots.from_pem(intel=INTEL.root_pem)


@pytest.fixture
def cache(tmp_path: Path) -> CollateralCache:
    """A warm cache with everything for :data:`REQUEST`."""
    service_over(FakePcs().transport, cache=tmp_path / "cache").fetch(REQUEST, now=AT)
    return CollateralCache(tmp_path / "cache")


def path_of(cache: CollateralCache, kind: DocumentKind) -> Path:
    """The file that holds that document."""
    answers = {path: decode_entry(path.read_bytes()) for path in cache.files(lambda _text: None)}
    return next(path for path, answer in answers.items() if answer is not None and answer.kind == kind)


def forge(cache: CollateralCache, kind: DocumentKind, change: Callable[[CachedAnswer], CachedAnswer]) -> None:
    """Alter what is kept and make its hash right again, as somebody would who has read our source."""
    path = path_of(cache, kind)
    answer = decode_entry(path.read_bytes())
    assert answer is not None
    path.write_bytes(encode_entry(change(answer)))


def judge(fetched: FetchedCollateral, platform_quote: bytes | None = None) -> AttestationResult:
    quote = PLATFORM.quote() if platform_quote is None else platform_quote
    return Verifier(open_policy(), roots=ROOTS).examine(Evidence(quote=quote), fetched.collateral, at=AT)


def offline(cache: CollateralCache) -> CollateralService:
    return service_over(FakePcs().transport, cache=cache.directory, offline=True)


def online(cache: CollateralCache) -> tuple[CollateralService, FakePcs]:
    pcs = FakePcs()
    return service_over(pcs.transport, cache=cache.directory), pcs


@pytest.mark.parametrize("kind", DocumentKind)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_counts_as_absent_and_is_replaced(
    fetch: Fetcher, cache: CollateralCache, kind: DocumentKind, damage: str
) -> None:
    path = path_of(cache, kind)
    content = path.read_bytes()
    flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
    path.write_bytes({"flip": flipped, "cut": content[: len(content) // 2], "empty": b""}[damage])
    assert judge(fetch(offline(cache))).verdict is Verdict.UNDECIDED
    service, pcs = online(cache)
    fetched = fetch(service)
    assert len(pcs.asked) == 1
    assert any("damaged" in text for text in fetched.warnings)
    assert judge(fetched).verdict is Verdict.VERIFIED
    assert path.read_bytes() == content


FORGERIES: dict[str, tuple[DocumentKind, Callable[[bytes], bytes], str]] = {
    "TCB info": (DocumentKind.TCB_INFO, lambda body: body.replace(b"OutOfDate", b"UpToDate"), "tdx.tcb_info.signature"),
    "QE identity": (
        DocumentKind.QE_IDENTITY,
        lambda body: body.replace(b'"isvsvn":4', b'"isvsvn":1'),
        "tdx.qe_identity.signature",
    ),
    "PCK CRL": (DocumentKind.PCK_CRL, lambda body: body[:-1] + bytes([body[-1] ^ 1]), "tdx.crl.pck"),
    "root CRL": (DocumentKind.ROOT_CA_CRL, lambda body: body[:-1] + bytes([body[-1] ^ 1]), "tdx.crl.root"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_document_with_the_right_hash_is_refused_by_its_signature(
    fetch: Fetcher, cache: CollateralCache, name: str
) -> None:
    kind, alter, check_id = FORGERIES[name]
    forge(cache, kind, lambda answer: replace(answer, body=alter(answer.body)))
    fetched = fetch(offline(cache))
    assert fetched.is_complete
    result = judge(fetched)
    assert result.verdict is Verdict.REFUSED
    assert check_id in failed_ids(result)


def test_a_refused_cache_is_mended_by_one_fetch_without_it(fetch: Fetcher, cache: CollateralCache) -> None:
    kind, alter, _ = FORGERIES["TCB info"]
    forge(cache, kind, lambda answer: replace(answer, body=alter(answer.body)))
    service, pcs = online(cache)
    assert judge(fetch(service)).verdict is Verdict.REFUSED
    assert pcs.asked == []
    assert judge(fetch(service, refresh=True)).verdict is Verdict.VERIFIED
    assert judge(fetch(offline(cache))).verdict is Verdict.VERIFIED


def test_a_signer_of_ones_own_does_not_help(fetch: Fetcher, cache: CollateralCache) -> None:
    """Everything signed anew by a look-alike Intel: right names, wrong root."""
    twin = FakeIntel(name="look-alike")
    documents = twin.collateral(twin.platform())
    for kind in DocumentKind:
        wire = wire_of(kind, documents)
        headers = {name.lower(): value for name, value in wire.headers}
        forge(cache, kind, lambda answer, wire=wire, headers=headers: replace(answer, body=wire.body, headers=headers))  # type: ignore[misc]
    result = judge(fetch(offline(cache)))
    assert result.verdict is Verdict.REFUSED
    assert {"tdx.crl.root", "tdx.tcb_info.signer_chain"} & failed_ids(result)


def test_a_longer_life_on_paper_does_not_help(fetch: Fetcher, cache: CollateralCache) -> None:
    longer = INTEL.issued_at + timedelta(days=300)
    forge(
        cache,
        DocumentKind.TCB_INFO,
        lambda answer: replace(answer, body=answer.body.replace(b"2026-12-01T", f"{longer:%Y-%m-%d}T".encode())),
    )
    assert judge(fetch(offline(cache))).verdict is Verdict.REFUSED


OTHER = INTEL.platform(PckFields(fmspc=bytes.fromhex("00806f050000")))


def of_another_family(cache: CollateralCache) -> Path:
    """Fill the cache with the TCB info of another family too, and return its file."""
    known = set(cache.files(lambda _text: None))
    tcb_info = wire_of(DocumentKind.TCB_INFO, INTEL.collateral(OTHER))
    pcs = FakePcs(instead={DocumentKind.TCB_INFO: tcb_info})
    service_over(pcs.transport, cache=cache.directory).fetch(CollateralRequest(OTHER.pck.fmspc, "platform"), now=AT)
    (found,) = set(cache.files(lambda _text: None)) - known
    return found


@pytest.mark.parametrize("careful", [False, True], ids=["copied", "with its address rewritten"])
def test_a_genuine_tcb_info_of_another_family_is_not_taken(fetch: Fetcher, cache: CollateralCache, *, careful: bool) -> None:
    own = path_of(cache, DocumentKind.TCB_INFO)
    other = of_another_family(cache)
    url = json.loads(own.read_bytes())["entry"]["url"]
    if careful:
        answer = decode_entry(other.read_bytes())
        assert answer is not None
        own.write_bytes(encode_entry(replace(answer, url=url)))
    else:
        shutil.copyfile(other, own)
    assert judge(fetch(offline(cache))).verdict is Verdict.UNDECIDED
    service, pcs = online(cache)
    assert judge(fetch(service)).verdict is Verdict.VERIFIED
    assert len(pcs.asked) == 1


def test_the_crl_of_another_ca_in_its_place_is_refused(fetch: Fetcher, cache: CollateralCache) -> None:
    """The root's CRL, genuinely signed, as the PCK CA's: no revoked PCK would be on it."""
    forge(cache, DocumentKind.PCK_CRL, lambda answer: replace(answer, body=INTEL.root_crl()))
    result = judge(fetch(offline(cache)))
    assert result.verdict is Verdict.REFUSED
    assert "tdx.crl.pck" in failed_ids(result)


def test_an_old_genuine_document_is_not_used_after_its_end(fetch: Fetcher, cache: CollateralCache) -> None:
    older = wire_of(DocumentKind.TCB_INFO, FakeIntel(issued_at=AT - timedelta(days=60)).collateral(PLATFORM))
    forge(cache, DocumentKind.TCB_INFO, lambda answer: replace(answer, body=older.body))
    assert judge(fetch(offline(cache))).verdict is Verdict.UNDECIDED
    service, pcs = online(cache)
    assert judge(fetch(service)).verdict is Verdict.VERIFIED
    assert len(pcs.asked) == 1


def test_what_was_read_once_is_not_taken_for_what_is_there_now(fetch: Fetcher, cache: CollateralCache) -> None:
    """The same service, which remembers what it has read: by content, not by name."""
    service, pcs = online(cache)
    assert judge(fetch(service)).verdict is Verdict.VERIFIED
    kind, alter, check_id = FORGERIES["TCB info"]
    forge(cache, kind, lambda answer: replace(answer, body=alter(answer.body)))
    assert check_id in failed_ids(judge(fetch(service)))
    assert pcs.asked == []


def test_one_documents_file_in_the_place_of_another_is_noticed_by_a_service_that_knows_both(
    fetch: Fetcher, cache: CollateralCache
) -> None:
    service, pcs = online(cache)
    fetch(service)
    shutil.copyfile(path_of(cache, DocumentKind.QE_IDENTITY), path_of(cache, DocumentKind.TCB_INFO))
    fetched = fetch(service)
    assert len(pcs.asked) == 1
    assert kinds(fetched, from_cache=False) == ["tdx-tcb-info"]


def test_a_world_writable_cache_is_not_used_and_the_genuine_documents_are_fetched(
    fetch: Fetcher, cache: CollateralCache
) -> None:
    kind, alter, _ = FORGERIES["TCB info"]
    forge(cache, kind, lambda answer: replace(answer, body=alter(answer.body)))
    cache.directory.chmod(0o777)
    assert judge(fetch(offline(cache))).verdict is Verdict.UNDECIDED
    service, pcs = online(cache)
    assert judge(fetch(service)).verdict is Verdict.VERIFIED
    assert len(pcs.asked) == 4


def test_a_linked_file_is_not_followed(fetch: Fetcher, cache: CollateralCache, tmp_path: Path) -> None:
    path = path_of(cache, DocumentKind.TCB_INFO)
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    fetched = fetch(offline(cache))
    assert judge(fetched).verdict is Verdict.UNDECIDED
    assert any("symbolic link" in text for text in fetched.warnings)


@pytest.mark.parametrize("value", [b"", b"\0" * 100, b"[" * 100_000, b'{"tcbInfo":{},"signature":""}'])
@pytest.mark.parametrize("kind", DocumentKind)
def test_no_content_with_a_right_hash_raises(fetch: Fetcher, cache: CollateralCache, kind: DocumentKind, value: bytes) -> None:
    forge(cache, kind, lambda answer: replace(answer, body=value))
    assert judge(fetch(offline(cache))).verdict is Verdict.UNDECIDED


def test_an_out_of_date_platform_stays_refused_whatever_is_done_to_the_cache(fetch: Fetcher, cache: CollateralCache) -> None:
    quote = OUT_OF_DATE.quote()
    assert judge(fetch(offline(cache)), quote).verdict is Verdict.REFUSED
    body = base64.b64decode(json.loads(path_of(cache, DocumentKind.TCB_INFO).read_bytes())["entry"]["body"])
    for alter in (
        lambda: body.replace(b"OutOfDate", b"UpToDate"),
        lambda: body.replace(b'"svn":4', b'"svn":3'),
        lambda: b'{"tcbInfo":{},"signature":""}',
    ):
        forge(cache, DocumentKind.TCB_INFO, lambda answer, alter=alter: replace(answer, body=alter()))  # type: ignore[misc]
        assert judge(fetch(offline(cache)), quote).verdict is not Verdict.VERIFIED
        path_of_tcb = path_of(cache, DocumentKind.TCB_INFO)
        assert path_of_tcb.exists()
