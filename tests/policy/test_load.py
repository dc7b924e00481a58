"""Policy files: what loads, and that every mistake names file, key, line and remedy."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.mistakes import MISTAKES, MRTD, TEXT
from tests.support.mutations import mutated_bytes
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.errors import PolicyError
from voltage_attest.policy import Pin, Policy, TcbException, TcbPolicy, TdxPolicy, Unpinned, load_policy, parse_policy
from voltage_attest.policy.load import MAX_POLICY_SIZE
from voltage_attest.result import Location
from voltage_attest.tcb_status import TcbStatus

PATH = Path("clinic.toml")


def tdx_of(policy: Policy) -> TdxPolicy:
    """The policy's ``[tdx]``, which is there."""
    assert policy.tdx is not None
    return policy.tdx


def test_every_key_of_a_policy_is_read() -> None:
    """Pins as bytes in their order, openings with their reason, rules with their values."""
    policy = parse_policy(TEXT)
    assert (policy.name, policy.valid_until, policy.path) == ("clinic", date(2027, 3, 31), None)
    assert policy.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert tdx_of(policy).pins == {
        "mrtd": Pin((b"\xab" * 48,)),
        "rtmr0": Pin((b"\xab" * 48, b"\xcd" * 48)),
        "rtmr1": Unpinned("differs per host"),
        "rtmr2": Pin((b"\xab" * 48,)),
        "rtmr3": Unpinned("event log decides"),
        "fmspc": Pin((bytes.fromhex("b0c06f000000"),)),
    }
    assert tdx_of(policy).min_tee_tcb_svn == bytes.fromhex("0501020000000000") + bytes(8)
    assert (tdx_of(policy).unsafe_allow_debug, tdx_of(policy).unsafe_allow_sept_ve) == (False, True)
    assert tdx_of(policy).tcb.accept == {TcbStatus.UP_TO_DATE, TcbStatus.SW_HARDENING_NEEDED}
    assert tdx_of(policy).tcb.min_tcb_evaluation_data_number == 17
    assert tdx_of(policy).tcb.deny_advisories == {"INTEL-SA-01192"}
    assert tdx_of(policy).tcb.exceptions == (
        TcbException(
            TcbStatus.OUT_OF_DATE,
            frozenset({"INTEL-SA-00615", "INTEL-SA-00828"}),
            date(2027, 1, 31),
            "vendor ticket 4711",
        ),
        TcbException(TcbStatus.CONFIGURATION_NEEDED, frozenset(), date(2027, 2, 28), "vendor ticket 4712"),
    )


def test_defaults_are_the_strict_ones() -> None:
    """Only UpToDate, no exception, nothing unsafe, no floor."""
    head, _, _ = TEXT.partition("fmspc =")
    policy = parse_policy(head)
    assert tdx_of(policy).tcb == TcbPolicy()
    assert tdx_of(policy).tcb.accept == {TcbStatus.UP_TO_DATE}
    assert (tdx_of(policy).unsafe_allow_debug, tdx_of(policy).unsafe_allow_sept_ve) == (False, False)
    assert tdx_of(policy).min_tee_tcb_svn is None


def test_rules_know_where_they_are_written() -> None:
    """A failed pin can then point at file and line."""
    policy = parse_policy(TEXT, path=PATH)
    mrtd, exception = tdx_of(policy).pins["mrtd"], tdx_of(policy).tcb.exceptions[1]
    assert mrtd.location == Location("clinic.toml", 6)
    assert tdx_of(policy).pins["rtmr1"].location == Location("clinic.toml", 8)
    assert policy.locations["valid_until"] == Location("clinic.toml", 3)
    assert tdx_of(policy).locations["min_tee_tcb_svn"] == Location("clinic.toml", 12)
    assert tdx_of(policy).tcb.locations["accept"] == Location("clinic.toml", 16)
    assert exception.location == Location("clinic.toml", 27)


def test_a_file_is_read_by_its_bytes(tmp_path: Path) -> None:
    """The SHA-256 is of the file as it lies there, line ends included."""
    path = tmp_path / "policy.toml"
    data = TEXT.replace("\n", "\r\n").encode()
    path.write_bytes(data)
    policy = load_policy(path)
    assert (policy.sha256, policy.path) == (hashlib.sha256(data).hexdigest(), str(path))
    assert tdx_of(policy).pins["mrtd"].location == Location(str(path), 6)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_file_key_line_and_remedy(name: str) -> None:
    """One edit each; the error says where it stands and what to write instead."""
    mistake = MISTAKES[name]
    assert TEXT.count(mistake.old) >= 1
    with pytest.raises(PolicyError) as raised:
        parse_policy(TEXT.replace(mistake.old, mistake.new, 1), path=PATH)
    error = raised.value
    assert (error.path, error.key) == (PATH, mistake.key)
    if mistake.line is not None:
        assert error.line == mistake.line
        assert str(error).startswith(f"clinic.toml:{mistake.line}: {mistake.key or ''}")
    assert str(error).startswith("clinic.toml")
    assert error.remedy
    for words in mistake.words:
        assert words in str(error)


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n"])
def test_an_empty_policy_does_not_load(text: str) -> None:
    """It would accept everything."""
    with pytest.raises(PolicyError, match=r"schema is missing.*voltage-attest/policy/1|schema is missing"):
        parse_policy(text, path=PATH)


def test_a_policy_without_evidence_does_not_load() -> None:
    """Without [tdx] and [gpu] nothing is expected, and nothing would be checked."""
    with pytest.raises(PolicyError, match="expects no evidence"):
        parse_policy('schema = "voltage-attest/policy/1"\nname = "empty"\n', path=PATH)


def test_a_policy_with_an_empty_tdx_section_does_not_load() -> None:
    """Every measurement must be pinned or left open aloud."""
    with pytest.raises(PolicyError, match=r"tdx\.mrtd is missing"):
        parse_policy('schema = "voltage-attest/policy/1"\nname = "empty"\n[tdx]\n', path=PATH)


@pytest.mark.parametrize("text", ["name =", "[tdx", 'name = "a"\nname = "b"', "\x00", "a = 2027-13-45", '= "x"', "a = 'x"])
def test_what_is_not_toml_is_refused_with_its_line(text: str) -> None:
    """The position that tomllib gives is kept in the text."""
    with pytest.raises(PolicyError, match=r"clinic\.toml: not TOML \(.*(line|end of document)") as raised:
        parse_policy(text, path=PATH)
    assert raised.value.expected == "TOML 1.0"


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    """The remedy points at the documentation and at inspect."""
    with pytest.raises(PolicyError, match="cannot be read") as raised:
        load_policy(tmp_path / "voltage-attest.toml")
    assert raised.value.path == tmp_path / "voltage-attest.toml"
    assert "docs/policy.md" in raised.value.remedy
    assert "voltage-attest inspect" in raised.value.remedy


def test_a_directory_is_no_policy(tmp_path: Path) -> None:
    """Named as what it is, not a traceback."""
    with pytest.raises(PolicyError, match="cannot be read") as raised:
        load_policy(tmp_path)
    assert raised.value.path == tmp_path


@pytest.mark.parametrize("data", [b"\xff\xfe", TEXT.encode("utf-16"), b'name = "M\xfcnchen"'])
def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path, data: bytes) -> None:
    """Latin-1 and UTF-16 are named by the first byte that does not fit."""
    path = tmp_path / "policy.toml"
    path.write_bytes(data)
    with pytest.raises(PolicyError, match=r"byte \d+ is not UTF-8"):
        load_policy(path)


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    """1 MiB is read, one byte more is not parsed."""
    path = tmp_path / "policy.toml"
    path.write_bytes(TEXT.encode() + b"#" * (MAX_POLICY_SIZE - len(TEXT)))
    assert load_policy(path).name == "clinic"
    path.write_bytes(path.read_bytes() + b"#")
    with pytest.raises(PolicyError, match=f"more than {MAX_POLICY_SIZE} bytes"):
        load_policy(path)


def read(data: bytes) -> Policy:
    """Parse a policy from bytes, as a fuzzer hands them over."""
    return parse_policy(data.decode("utf-8", "replace"), path=PATH)


@settings(max_examples=examples(600))
@given(data=mutated_bytes([TEXT.encode()]))
def test_mutated_policies_load_or_are_refused(data: bytes) -> None:
    """A valid policy with characters flipped, cut, inserted, doubled."""
    assert_read_or_refused(read, data, PolicyError)


TOML_VALUES = st.sampled_from(
    (
        *('"text"', "1", "-1", "1.5", "nan", "inf", "true", "2027-01-31", "2027-01-31T00:00:00Z", "00:00:00", "[]", "{}"),
        *("[[]]", '[""]', '["a", "a"]', '{ unpinned = "why" }', f'["{MRTD}"]', '["UpToDate"]', "[{}]", "[true]", "0xff"),
    )
)
KEYS = ("schema", "name", "valid_until", "tdx", "mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "fmspc", "tcb", "accept")
MORE_KEYS = ("exception", "status", "until", "reason", "advisories", "min_tee_tcb_svn", "unsafe_allow_debug", "gpu")
GPU_KEYS = ("count", "boards", "ueids", "measurements", "certificate_hold", "min_vbios", "nras", "unsafe_skip_rim", "allow")
TABLES = ("[tdx]", "[tdx.tcb]", "[[tdx.tcb.exception]]", "[gpu]", "[gpu.measurements]", "[models]", "[compliance]", "[audit]")


@settings(max_examples=examples(400))
@given(
    st.lists(
        st.tuples(st.sampled_from((*KEYS, *MORE_KEYS, *GPU_KEYS, *TABLES, "tdx.tcb", "35")), TOML_VALUES),
        max_size=14,
    )
)
def test_policies_of_any_shape_load_or_are_refused(lines: list[tuple[str, str]]) -> None:
    """Every known key with every type of TOML value, in any table."""
    text = "\n".join(key if key.startswith("[") else f"{key} = {value}" for key, value in lines)
    assert_read_or_refused(read, f'schema = "voltage-attest/policy/1"\n{text}'.encode(), PolicyError)


@given(st.text(max_size=200))
def test_random_text_is_refused(text: str) -> None:
    """Noise is no policy."""
    assert_read_or_refused(read, text.encode(), PolicyError)


def test_a_number_of_many_digits_is_refused_not_a_crash() -> None:
    """The reader of TOML lets Python's limit for integers through as a bare ValueError."""
    with pytest.raises(PolicyError, match="not TOML"):
        parse_policy(f"number = {'9' * 5000}", path=PATH)


def test_text_with_half_a_character_is_refused_not_a_crash() -> None:
    """A lone surrogate cannot be hashed as UTF-8; no file holds one, a caller's text may."""
    with pytest.raises(PolicyError):
        parse_policy(TEXT.replace("vendor ticket", "\ud800"), path=PATH)


def test_deep_nesting_is_refused_not_a_crash() -> None:
    """A hundred thousand brackets end in the documented error."""
    with pytest.raises(PolicyError, match="not TOML"):
        parse_policy("a = " + "[" * 100_000, path=PATH)


@pytest.mark.parametrize("text", ["intel-sa-01192", "SA-01192", "INTEL-SA-1192 ", "CVE-2024-1234"])
@pytest.mark.parametrize("old", ['"INTEL-SA-01192"', '"INTEL-SA-00615"'])
def test_an_advisory_that_could_never_match_does_not_load(old: str, text: str) -> None:
    """Intel writes INTEL-SA-01192; a denial in another spelling would silently deny nothing."""
    with pytest.raises(PolicyError, match="INTEL-SA-"):
        parse_policy(TEXT.replace(old, f'"{text}"'), path=PATH)
