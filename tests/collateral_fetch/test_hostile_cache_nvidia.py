"""An attacker who can write to the cache, and NVIDIA's documents in it: a refusal or a new fetch, never a belief."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.collateral_fetch.fake_nvidia import (
    DRIVER,
    NONCE,
    VBIOS,
    FakeNvidia,
    certificate,
    crl,
    jwks,
    ocsp_answer,
    question,
    rim_answer,
)
from tests.collateral_fetch.fake_pcs import AT, Wire
from tests.collateral_fetch.nvidia_fetching import NvidiaFetcher, cached, nvidia_over
from tests.collateral_fetch.test_recorded_nvidia import SAMPLES, enveloped
from voltage_attest.collateral.cache import CachedAnswer, CollateralCache, decode_entry, encode_entry
from voltage_attest.collateral.cache_upkeep import EntryState, list_cache, prune_cache
from voltage_attest.collateral.nvidia_answers import read_kept_window
from voltage_attest.collateral.nvidia_service import FetchedNvidia, NvidiaKind, NvidiaService, combined
from voltage_attest.verify.rim_reading import Rim

KINDS = [NvidiaKind.RIM, NvidiaKind.OCSP, NvidiaKind.CRL, NvidiaKind.JWKS]
Change = Callable[[CachedAnswer], CachedAnswer]


def fetch_all(nvidia: NvidiaFetcher, service: NvidiaService) -> FetchedNvidia:
    return combined(nvidia.rims(service, DRIVER), nvidia.revocation(service, question()), nvidia.jwks(service))


@pytest.fixture
def cache(nvidia: NvidiaFetcher, tmp_path: Path) -> CollateralCache:
    """A warm cache with one document of each kind."""
    assert fetch_all(nvidia, nvidia_over(FakeNvidia().transport, cache=tmp_path / "cache")).is_complete
    return CollateralCache(tmp_path / "cache")


def path_of(cache: CollateralCache, kind: NvidiaKind) -> Path:
    answers = {path: decode_entry(path.read_bytes()) for path in cache.files(lambda _text: None)}
    return next(path for path, answer in answers.items() if answer is not None and answer.kind == kind)


def forge(cache: CollateralCache, kind: NvidiaKind, change: Change) -> None:
    """Alter what is kept and make its hash right again, as somebody would who has read our source."""
    path = path_of(cache, kind)
    answer = decode_entry(path.read_bytes())
    assert answer is not None
    path.write_bytes(encode_entry(change(answer)))


def asks_again(nvidia: NvidiaFetcher, cache: CollateralCache, kind: NvidiaKind) -> FetchedNvidia:
    """Fetch: of that kind from the network and of the others from the cache, with what :class:`FakeNvidia` has of each."""
    fetched = fetch_all(nvidia, nvidia_over(FakeNvidia().transport, cache=cache.directory))
    assert [source.kind for source in fetched.sources if not source.from_cache] == [kind]
    assert fetched.is_complete
    return fetched


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_counts_as_absent_and_is_replaced(
    nvidia: NvidiaFetcher, cache: CollateralCache, kind: NvidiaKind, damage: str
) -> None:
    path = path_of(cache, kind)
    content = path.read_bytes()
    flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
    path.write_bytes({"flip": flipped, "cut": content[: len(content) // 2], "empty": b""}[damage])
    offline = fetch_all(nvidia, nvidia_over(FakeNvidia().transport, cache=cache.directory, offline=True))
    assert [failure.kind for failure in offline.failures] == [kind]
    assert any("damaged" in text for text in asks_again(nvidia, cache, kind).warnings)
    assert fetch_all(nvidia, nvidia_over(FakeNvidia().transport, cache=cache.directory, offline=True)).is_complete


@pytest.mark.parametrize("kind", KINDS)
def test_one_documents_file_in_the_place_of_another_is_noticed(
    nvidia: NvidiaFetcher, cache: CollateralCache, kind: NvidiaKind
) -> None:
    shutil.copyfile(path_of(cache, KINDS[KINDS.index(kind) - 1]), path_of(cache, kind))
    asks_again(nvidia, cache, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [b"", b"\0" * 100, b"[" * 100_000, b"{}", b"0\x80", b"\x30\x03\x0a\x01\x06"])
def test_no_content_with_a_right_hash_raises(
    nvidia: NvidiaFetcher, cache: CollateralCache, kind: NvidiaKind, value: bytes
) -> None:
    forge(cache, kind, lambda answer: replace(answer, body=value))
    asks_again(nvidia, cache, kind)


def test_a_document_of_another_kind_under_its_address_is_not_taken(nvidia: NvidiaFetcher, cache: CollateralCache) -> None:
    forge(cache, NvidiaKind.CRL, lambda answer: replace(answer, kind="root-ca-crl"))
    asks_again(nvidia, cache, NvidiaKind.CRL)


def test_a_manifest_of_another_id_with_its_address_rewritten_is_not_taken(
    nvidia: NvidiaFetcher, cache: CollateralCache
) -> None:
    forge(cache, NvidiaKind.RIM, lambda answer: replace(answer, body=rim_answer(VBIOS)))
    asks_again(nvidia, cache, NvidiaKind.RIM)


def test_good_news_about_another_certificate_is_not_taken(nvidia: NvidiaFetcher, cache: CollateralCache) -> None:
    other = ocsp_answer(question(2).ocsp_request)
    forge(cache, NvidiaKind.OCSP, lambda answer: replace(answer, body=other))
    fetched = asks_again(nvidia, cache, NvidiaKind.OCSP)
    assert fetched.collateral.ocsp[0].der != other


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (NvidiaKind.OCSP, ocsp_answer(question().ocsp_request, AT - timedelta(days=3))),
        (NvidiaKind.CRL, crl(AT - timedelta(days=30))),
        (NvidiaKind.RIM, rim_answer(DRIVER, certificate(begin=AT - timedelta(days=90)))),
        (NvidiaKind.JWKS, jwks(begin=AT - timedelta(days=9))),
    ],
)
def test_an_old_genuine_document_is_not_used_after_its_end(
    nvidia: NvidiaFetcher, cache: CollateralCache, kind: NvidiaKind, body: bytes
) -> None:
    forge(cache, kind, lambda answer: replace(answer, body=body))
    asks_again(nvidia, cache, kind)


def test_an_altered_answer_with_the_right_hash_is_handed_on_as_it_is_for_its_signature_to_refuse(
    nvidia: NvidiaFetcher, cache: CollateralCache
) -> None:
    """A CRL with one bit of its signature changed; a fetch without the cache mends it."""
    forge(cache, NvidiaKind.CRL, lambda answer: replace(answer, body=answer.body[:-1] + bytes([answer.body[-1] ^ 1])))
    service = nvidia_over(FakeNvidia().transport, cache=cache.directory)
    fetched = fetch_all(nvidia, service)
    assert all(source.from_cache for source in fetched.sources)
    key = certificate().public_key()
    assert not x509.load_der_x509_crl(fetched.collateral.crls[0]).is_signature_valid(key)  # type: ignore[arg-type]
    mended = nvidia.revocation(service, question(), refresh=True)
    assert mended.collateral.crls == (crl(),)
    assert all(source.from_cache for source in fetch_all(nvidia, service).sources)


def test_a_forged_real_manifest_is_handed_on_and_refused_by_its_signature(nvidia: NvidiaFetcher, tmp_path: Path) -> None:
    """Another reference value in NVIDIA's own manifest, with every hash around it made right."""
    manifest = SAMPLES[0].read_bytes()
    window = read_kept_window(NvidiaKind.RIM, enveloped(manifest))
    assert window is not None
    now, cache = window.next_update - timedelta(days=1), CollateralCache(tmp_path / "cache")
    service = nvidia_over(FakeNvidia({f"/v1/rim/{DRIVER}": Wire(enveloped(manifest))}).transport, cache=cache.directory)
    genuine = nvidia.rims(service, DRIVER, now=now).collateral.rims[0]
    assert Rim(genuine).refused is None
    altered = manifest.replace(b'active="True"', b'active="False"', 1)
    assert altered != manifest
    forge(cache, NvidiaKind.RIM, lambda answer: replace(answer, body=enveloped(altered)))
    fetched = nvidia.rims(service, DRIVER, now=now)
    assert cached(fetched) == [("nvidia-rim", True)]
    assert fetched.collateral.rims[0].data == altered
    assert Rim(fetched.collateral.rims[0]).refused is not None
    mended = nvidia.rims(service, DRIVER, now=now, refresh=True)
    assert Rim(mended.collateral.rims[0]).refused is None


def test_a_manifest_that_does_not_have_the_digest_beside_it_is_not_taken(nvidia: NvidiaFetcher, cache: CollateralCache) -> None:
    def alter(answer: CachedAnswer) -> CachedAnswer:
        found = json.loads(answer.body)
        data = base64.b64decode(found["rim"]).replace(b"SoftwareIdentity", b"SoftwareIdentitx")
        assert hashlib.sha256(data).hexdigest() != found["sha256"]
        found["rim"] = base64.b64encode(data).decode()
        return replace(answer, body=json.dumps(found).encode())

    forge(cache, NvidiaKind.RIM, alter)
    asks_again(nvidia, cache, NvidiaKind.RIM)


def test_an_answer_planted_for_an_online_question_is_never_looked_at(nvidia: NvidiaFetcher, cache: CollateralCache) -> None:
    """An online question has no address in the cache, with a nonce or without."""
    fake = FakeNvidia()
    service = nvidia_over(fake.transport, cache=cache.directory)
    for asked in (question(), question(1, NONCE)):
        fetched = nvidia.revocation(service, asked, mode="online")
        assert cached(fetched) == [("nvidia-ocsp", False)]
    assert len(fake.asked) == 2


def test_a_world_writable_cache_is_not_used(nvidia: NvidiaFetcher, cache: CollateralCache) -> None:
    cache.directory.chmod(0o777)
    fake = FakeNvidia()
    fetched = fetch_all(nvidia, nvidia_over(fake.transport, cache=cache.directory))
    assert (len(fake.asked), fetched.is_complete) == (4, True)
    assert len(fetched.warnings) == 1


def test_a_linked_file_is_not_followed(nvidia: NvidiaFetcher, cache: CollateralCache, tmp_path: Path) -> None:
    path = path_of(cache, NvidiaKind.OCSP)
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert any("symbolic link" in text for text in asks_again(nvidia, cache, NvidiaKind.OCSP).warnings)


def test_every_kind_is_listed_by_its_own_dates_and_pruned_after_its_end(cache: CollateralCache) -> None:
    def states(days: float) -> dict[str, str]:
        entries = list_cache(cache, now=AT + timedelta(days=days), warn=print)
        return {str(entry.kind): entry.state.value for entry in entries}

    assert states(0) == dict.fromkeys(KINDS, "current")
    assert states(-1) == dict.fromkeys(KINDS, "not yet valid")
    ended = {NvidiaKind.OCSP: "expired", NvidiaKind.JWKS: "expired", NvidiaKind.CRL: "current", NvidiaKind.RIM: "current"}
    assert states(3) == ended
    pruned = prune_cache(cache, now=AT + timedelta(days=3), warn=print)
    assert sorted(str(entry.kind) for entry in pruned.entries) == ["nvidia-jwks", "nvidia-ocsp"]
    assert len(cache.files(print)) == 2


@pytest.mark.parametrize("kind", [*KINDS, NvidiaKind.NRAS])
def test_what_has_no_dates_or_no_business_there_is_listed_as_unreadable_and_pruned(
    cache: CollateralCache, kind: NvidiaKind
) -> None:
    planted = CachedAnswer(kind, f"https://planted.example/{kind}", {}, b'{"keys":[{}]}')
    cache.write(planted, print)
    entries = {entry.path: entry.state for entry in list_cache(cache, now=AT, warn=print)}
    assert entries[cache.path_of(planted.url)] is EntryState.UNREADABLE
    assert [entry.path for entry in prune_cache(cache, now=AT, warn=print).entries] == [cache.path_of(planted.url)]
