"""The cache's files: whole or not at all, ours alone or not used, and never a reason to raise."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collateral_fetch.fake_pcs import AT, INTEL, PLATFORM, REQUEST, FakePcs, wire_of
from tests.collateral_fetch.fetching import service_over
from voltage_attest.collateral import cache as cache_module
from voltage_attest.collateral.cache import CachedAnswer, CollateralCache, decode_entry, encode_entry
from voltage_attest.collateral.cache_upkeep import EntryState, list_cache, prune_cache
from voltage_attest.collateral.pcs import DocumentKind

URL = "https://api.example.org/tdx?x=1"
ANSWER = CachedAnswer("tdx-tcb-info", URL, {"tcb-info-issuer-chain": "x"}, b"body \xff")


class Warnings(list[str]):
    """Takes warnings."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def warned() -> Warnings:
    return Warnings()


@pytest.fixture
def cache(tmp_path: Path) -> CollateralCache:
    return CollateralCache(tmp_path / "voltage-attest" / "collateral")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def genuine(kind: DocumentKind = DocumentKind.TCB_INFO, url: str = URL) -> CachedAnswer:
    wire = wire_of(kind, INTEL.collateral(PLATFORM))
    return CachedAnswer(kind, url, {name.lower(): value for name, value in wire.headers}, wire.body)


def test_what_is_written_is_read(cache: CollateralCache, warned: Warnings) -> None:
    cache.write(ANSWER, warned)
    assert decode_entry(cache.read(URL, warned) or b"", URL) == ANSWER
    assert warned == []


def test_an_absent_cache_is_an_empty_one_and_is_not_made_by_reading(cache: CollateralCache, warned: Warnings) -> None:
    assert cache.read(URL, warned) is None
    assert cache.files(warned) == ()
    cache.evict([URL])
    assert warned == []
    assert not cache.directory.exists()


def test_both_directories_and_every_file_are_the_users_alone_whatever_the_umask(
    cache: CollateralCache, warned: Warnings
) -> None:
    before = os.umask(0)
    try:
        cache.write(ANSWER, warned)
    finally:
        os.umask(before)
    assert [mode(path) for path in (cache.directory.parent, cache.directory, cache.path_of(URL))] == [0o700, 0o700, 0o600]


def test_files_without_a_name_and_files_with_one_come_out_the_same(
    cache: CollateralCache, warned: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(ANSWER, warned)
    first = cache.path_of(URL).read_bytes()
    monkeypatch.setattr(cache_module, "_write_unnamed", lambda _path, _content: False)
    cache.write(ANSWER, warned)
    assert cache.path_of(URL).read_bytes() == first
    assert mode(cache.path_of(URL)) == 0o600
    assert [path.name for path in cache.directory.iterdir()] == [cache.path_of(URL).name]


def test_the_file_is_one_json_object_that_names_its_address(cache: CollateralCache, warned: Warnings) -> None:
    cache.write(ANSWER, warned)
    found = json.loads(cache.path_of(URL).read_bytes())
    assert found["entry"]["url"] == URL
    assert base64.b64decode(found["entry"]["body"]) == ANSWER.body
    assert len(found["sha256"]) == 64


def test_a_later_answer_takes_the_place_of_an_earlier_one(cache: CollateralCache, warned: Warnings) -> None:
    cache.write(ANSWER, warned)
    newer = CachedAnswer(ANSWER.kind, URL, {}, b"newer")
    cache.write(newer, warned)
    assert decode_entry(cache.read(URL, warned) or b"", URL) == newer
    assert len(cache.files(warned)) == 1


def test_an_entry_of_another_address_is_none(cache: CollateralCache, warned: Warnings) -> None:
    cache.write(ANSWER, warned)
    cache.path_of(URL).rename(cache.path_of(f"{URL}0"))
    assert decode_entry(cache.read(f"{URL}0", warned) or b"", f"{URL}0") is None


@given(st.integers(0), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(position: int, change: int) -> None:
    content = bytearray(encode_entry(ANSWER))
    content[position % len(content)] ^= change
    assert decode_entry(bytes(content), URL) is None


@given(st.integers(0, len(encode_entry(ANSWER)) - 1))
def test_no_cut_goes_unnoticed(length: int) -> None:
    assert decode_entry(encode_entry(ANSWER)[:length], URL) is None


@given(st.binary(max_size=300))
def test_no_content_raises(content: bytes) -> None:
    assert decode_entry(content, URL) is None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"schema": "x"},
        {"schema": "voltage-attest/collateral-cache/2", "kind": "k", "url": URL, "headers": {}, "body": ""},
        {"schema": "voltage-attest/collateral-cache/1", "kind": 1, "url": URL, "headers": {}, "body": ""},
        {"schema": "voltage-attest/collateral-cache/1", "kind": "k", "url": URL, "headers": [], "body": ""},
        {"schema": "voltage-attest/collateral-cache/1", "kind": "k", "url": URL, "headers": {"a": 1}, "body": ""},
        {"schema": "voltage-attest/collateral-cache/1", "kind": "k", "url": URL, "headers": {}, "body": "!"},
        {"schema": "voltage-attest/collateral-cache/1", "kind": "k", "url": URL, "headers": {}, "body": "", "x": ""},
    ],
)
def test_an_entry_of_another_shape_is_none_though_its_hash_is_right(entry: object) -> None:
    text = json.dumps(entry)
    content = f'{{"sha256":"{hashlib.sha256(text.encode()).hexdigest()}","entry":{text}}}\n'.encode()
    assert decode_entry(content) is None


@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777])
def test_a_directory_that_others_may_write_to_is_neither_read_nor_written(
    cache: CollateralCache, warned: Warnings, bits: int
) -> None:
    cache.write(ANSWER, warned)
    cache.directory.chmod(bits)
    before = cache.path_of(URL).read_bytes()
    assert cache.read(URL, warned) is None
    cache.write(CachedAnswer(ANSWER.kind, URL, {}, b"newer"), warned)
    assert cache.files(warned) == ()
    assert cache.path_of(URL).read_bytes() == before
    assert len(warned) == 3
    assert all("may be written by other users" in text and "chmod 700" in text for text in warned)


@pytest.mark.parametrize("bits", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_ignored_and_replaced(cache: CollateralCache, warned: Warnings, bits: int) -> None:
    cache.write(ANSWER, warned)
    cache.path_of(URL).chmod(bits)
    assert cache.read(URL, warned) is None
    assert "may be written by other users" in warned[0]
    cache.write(ANSWER, warned)
    assert mode(cache.path_of(URL)) == 0o600
    assert cache.read(URL, warned) is not None


def test_a_directory_that_is_a_link_is_not_used(cache: CollateralCache, warned: Warnings, tmp_path: Path) -> None:
    elsewhere = CollateralCache(tmp_path / "elsewhere")
    elsewhere.write(ANSWER, warned)
    cache.directory.parent.mkdir()
    cache.directory.symlink_to(elsewhere.directory)
    assert cache.read(URL, warned) is None
    assert "is a symbolic link" in warned[0]
    cache.write(CachedAnswer("k", f"{URL}2", {}, b""), warned)
    assert len(elsewhere.files(warned)) == 1


def test_a_file_that_is_a_link_is_ignored_and_replaced_without_touching_its_target(
    cache: CollateralCache, warned: Warnings, tmp_path: Path
) -> None:
    cache.write(ANSWER, warned)
    target = tmp_path / "target"
    cache.path_of(URL).rename(target)
    cache.path_of(URL).symlink_to(target)
    assert cache.read(URL, warned) is None
    assert "is a symbolic link" in warned[0]
    cache.write(CachedAnswer(ANSWER.kind, URL, {}, b"newer"), warned)
    assert not cache.path_of(URL).is_symlink()
    assert decode_entry(target.read_bytes()) == ANSWER


def test_a_pipe_in_the_place_of_a_file_is_ignored_and_not_waited_for(cache: CollateralCache, warned: Warnings) -> None:
    cache.write(ANSWER, warned)
    cache.path_of(URL).unlink()
    os.mkfifo(cache.path_of(URL), 0o600)
    assert cache.read(URL, warned) is None
    assert "is no file" in warned[0]


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_belongs_to_another_user_is_not_used(
    cache: CollateralCache, warned: Warnings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    cache.write(ANSWER, warned)
    if what == "file":
        monkeypatch.setattr(cache, "_is_trusted", lambda _warn: True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert cache.read(URL, warned) is None
    assert "belongs to another user" in warned[0]


def test_a_file_of_absurd_size_is_ignored(cache: CollateralCache, warned: Warnings) -> None:
    cache.write(ANSWER, warned)
    os.truncate(cache.path_of(URL), 1 << 30)
    assert cache.read(URL, warned) is None
    assert "has 1073741824 bytes" in warned[0]


def test_a_cache_that_cannot_be_made_is_a_warning(warned: Warnings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = CollateralCache(tmp_path / "file" / "collateral")
    cache.write(ANSWER, warned)
    assert cache.read(URL, warned) is None
    assert "could not be written" in warned[0]


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(
    cache: CollateralCache, warned: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(ANSWER, warned)

    def full(_descriptor: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    cache.write(CachedAnswer(ANSWER.kind, URL, {}, b"newer"), warned)
    assert "No space left on device" in warned[0]
    assert decode_entry(cache.read(URL, warned) or b"") == ANSWER
    assert len(list(cache.directory.iterdir())) == 1


def test_the_users_cache_lies_where_the_system_has_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    directory = CollateralCache.for_user().directory
    assert directory.parts[-2:] == ("voltage-attest", "collateral")


def filled(cache: CollateralCache, warned: Warnings) -> dict[EntryState, Path]:
    """A cache with a current, an expired, a future, a damaged and a misnamed entry."""
    urls = {state: f"{URL}&{state.name}" for state in EntryState}
    for kind, state in ((DocumentKind.TCB_INFO, EntryState.EXPIRED), (DocumentKind.ROOT_CA_CRL, EntryState.CURRENT)):
        cache.write(genuine(kind, urls[state]), warned)
    later = type(INTEL)(issued_at=AT + timedelta(days=90)).root_crl()
    cache.write(CachedAnswer(DocumentKind.ROOT_CA_CRL, urls[EntryState.NOT_YET], {}, later), warned)
    cache.write(genuine(url=urls[EntryState.UNREADABLE]), warned)
    with cache.path_of(urls[EntryState.UNREADABLE]).open("ab") as file:
        file.write(b"x")
    return {state: cache.path_of(url) for state, url in urls.items()}


LATER = AT + timedelta(days=30)


def test_entries_are_listed_by_what_they_are_good_for(cache: CollateralCache, warned: Warnings) -> None:
    files = filled(cache, warned)
    entries = {entry.path: entry for entry in list_cache(cache, now=LATER, warn=warned)}
    assert {path: entry.state for path, entry in entries.items()} == {path: state for state, path in files.items()}
    current = entries[files[EntryState.CURRENT]]
    assert (current.kind, current.issued) == ("root-ca-crl", INTEL.issued_at)


def test_pruning_removes_what_is_of_no_use_and_keeps_the_rest(cache: CollateralCache, warned: Warnings) -> None:
    files = filled(cache, warned)
    misnamed = cache.directory / f"{'0' * 64}.json"
    misnamed.write_bytes(files[EntryState.CURRENT].read_bytes())
    foreign = cache.directory / "README"
    foreign.write_text("not ours")
    pruned = prune_cache(cache, now=LATER, warn=warned)
    assert sorted(entry.state for entry in pruned.entries) == ["expired", "unreadable", "unreadable"]
    kept = {foreign.name, files[EntryState.CURRENT].name, files[EntryState.NOT_YET].name}
    assert {path.name for path in cache.directory.iterdir()} == kept


def test_pruning_removes_what_killed_writers_left_but_not_what_is_being_written(
    cache: CollateralCache, warned: Warnings
) -> None:
    cache.write(ANSWER, warned)
    old, young = (cache.directory / f".{'a' * 64}.{'b' * 15}{digit}.tmp" for digit in "01")
    for path in (old, young):
        path.write_bytes(b"half")
    now = AT
    os.utime(old, (now.timestamp() - 120, now.timestamp() - 120))
    os.utime(young, (now.timestamp() - 5, now.timestamp() - 5))
    assert prune_cache(cache, now=now, warn=warned).leftovers == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_pruning_does_nothing_in_a_directory_that_is_not_to_be_trusted(cache: CollateralCache, warned: Warnings) -> None:
    filled(cache, warned)
    cache.directory.chmod(0o777)
    assert prune_cache(cache, now=LATER, warn=warned).entries == ()
    assert len(list(cache.directory.iterdir())) == 4


def test_a_warning_reaches_whoever_fetches_once(tmp_path: Path) -> None:
    pcs = FakePcs()
    service_over(pcs.transport, cache=tmp_path / "cache").fetch(REQUEST, now=AT)
    (tmp_path / "cache").chmod(0o777)
    fetched = service_over(pcs.transport, cache=tmp_path / "cache").fetch(REQUEST, now=AT)
    assert fetched.is_complete
    assert len(fetched.warnings) == 1
    assert "may be written by other users" in fetched.warnings[0]
    assert len(pcs.asked) == 8
