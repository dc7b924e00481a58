"""The API key: found in the right order, and shown nowhere."""

from __future__ import annotations

import copy
import pickle
import traceback
from pathlib import Path

import pytest

from voltage_attest.pods import ApiKey, find_api_key, read_api_key_file

SECRET = "vk_live_abcdef0123456789"  # noqa: S105 - made up


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "key.txt"
    file.write_text(text, "utf-8")
    file.chmod(mode)
    return file


def test_the_file_comes_before_the_environment(tmp_path: Path) -> None:
    found = find_api_key(key_file(tmp_path, SECRET), {"VOLTAGEGPU_API_KEY": "other"})
    assert found is not None
    assert (found.reveal(), found.source, found.warnings) == (SECRET, "the file key.txt", ())


def test_voltagegpu_api_key_comes_before_volt_api_key() -> None:
    names = {"VOLT_API_KEY": "second", "VOLTAGEGPU_API_KEY": "first"}
    found = find_api_key(None, names)
    assert found is not None
    assert (found.reveal(), found.source) == ("first", "VOLTAGEGPU_API_KEY")


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_variable_is_none(empty: str) -> None:
    found = find_api_key(None, {"VOLTAGEGPU_API_KEY": empty, "VOLT_API_KEY": SECRET})
    assert found is not None
    assert found.source == "VOLT_API_KEY"
    assert find_api_key(None, {"VOLTAGEGPU_API_KEY": empty}) is None
    assert find_api_key(None, {}) is None


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\n\n"])
def test_white_space_around_the_key_is_dropped(tmp_path: Path, text: str) -> None:
    assert read_api_key_file(key_file(tmp_path, text)).reveal() == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666])
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, mode: int) -> None:
    (warning,) = read_api_key_file(key_file(tmp_path, SECRET, mode)).warnings
    assert f"(mode {mode:04o}): chmod 600 it" in warning
    assert SECRET not in warning


@pytest.mark.parametrize(
    "text",
    [f"{SECRET}\n{SECRET}", f"{SECRET} {SECRET}", f"{SECRET}\x00", f"{SECRET}\x1b[2J", f"{SECRET}ü", "A" * 4097, "", "\n"],
    ids=["two lines", "blank", "nul", "escape", "umlaut", "long", "empty", "line break"],
)
def test_what_no_key_looks_like_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"the file key\.txt") as refused:
        read_api_key_file(key_file(tmp_path, text))
    told = "".join(traceback.format_exception(refused.value))
    assert SECRET not in told
    assert "AAAA" not in told


@pytest.mark.parametrize("bad", [f"{SECRET}\r\nX-Admin: 1", f"{SECRET}\tx"])
def test_a_header_cannot_be_smuggled_in_through_the_environment(bad: str) -> None:
    with pytest.raises(ValueError, match="VOLT_API_KEY holds blanks, line breaks"):
        find_api_key(None, {"VOLT_API_KEY": bad})


def test_the_key_shows_itself_only_when_asked() -> None:
    key = ApiKey(SECRET, source="VOLT_API_KEY")
    for shown in (repr(key), str(key), f"{key}", f"{[key]}", repr({"key": key})):
        assert SECRET not in shown
    assert repr(key) == "ApiKey(hidden, from VOLT_API_KEY)"
    assert key.authorization() == ("Authorization", f"Bearer {SECRET}")


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_key_is_not_copied_into_files_or_other_objects(attempt: object) -> None:
    assert callable(attempt)
    with pytest.raises(TypeError, match="not pickled or copied"):
        attempt(ApiKey(SECRET))


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_api_key(tmp_path / "absent", {"VOLT_API_KEY": SECRET})
