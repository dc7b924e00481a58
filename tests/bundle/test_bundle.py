"""The evidence bundle: what is written reads back as it was, anything else is refused, and the verdict is the same again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.pods.answers import NONCE, b64, encode, voltagegpu
from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.outcomes import policy_text
from tests.support.parsers import assert_read_or_refused
from tests.support.sampling import examples
from voltage_attest.collateral.intel import IntelCollateral, parse_intel_collateral
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence import bundle as bundle_module
from voltage_attest.evidence.bundle import (
    MAX_BUNDLE_SIZE,
    BundleCollateral,
    BundleDocument,
    BundleSource,
    EvidenceBundle,
    dump_bundle,
    parse_any_bundle,
    parse_bundle,
)
from voltage_attest.evidence.model import DeviceEvidence, Evidence, ProviderOpinion
from voltage_attest.pods.voltagegpu import parse_voltagegpu
from voltage_attest.policy import parse_policy
from voltage_attest.testing import APPRAISED_AT, FakeIntel
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Verifier

SCHEMA = json.loads((Path(bundle_module.__file__).parent / "schema" / "evidence-1.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
INTEL = FakeIntel()
NINE = json.loads(INTEL.collateral(INTEL.platform()).to_json())

texts = st.text(max_size=12)
hashes = st.binary(min_size=32, max_size=32)
kinds = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
devices = st.lists(texts.map(DeviceEvidence), max_size=2).map(tuple)


Pairs = tuple[tuple[str, object], ...]


def pairs(names: st.SearchStrategy[str], values: st.SearchStrategy[object]) -> st.SearchStrategy[Pairs]:
    return st.dictionaries(names, values, max_size=3).map(lambda found: tuple(found.items()))


evidences = st.builds(
    Evidence,
    quote=st.none() | st.sampled_from([INTEL.platform().quote(), b"\x04\x00 no quote"]),
    nonce=st.none() | hashes,
    tls_spki_sha256=st.none() | hashes,
    e2ee_public_key=st.none() | st.binary(max_size=40),
    opinion=st.none()
    | st.builds(
        ProviderOpinion,
        measurement_valid=st.none() | st.booleans(),
        mr_td=st.none() | texts,
        tdx_version=st.none() | texts,
    ),
    event_log=st.none() | texts,
    gpu_evidence=devices,
    switch_evidence=devices,
    binding_inputs=pairs(texts, st.binary(max_size=20)),
    provider=st.none() | texts,
    pod_id=st.none() | texts,
    warnings=st.lists(texts, max_size=3).map(tuple),
)
collaterals = st.builds(
    BundleCollateral,
    documents=pairs(st.sampled_from(sorted(NINE)), texts),
    absences=pairs(st.sampled_from(sorted(NINE)), texts),
    sources=st.lists(st.builds(BundleSource, texts, st.none() | texts, st.booleans()), max_size=3).map(tuple),
)
bundles = st.builds(
    EvidenceBundle,
    evidence=evidences,
    nonce=st.none() | hashes,
    binding=st.none() | texts,
    tls_spki_sha256=st.none() | hashes,
    created_at=st.none() | st.datetimes(timezones=st.timezones()).filter(lambda time: 2 < time.year < 9998),
    collateral=collaterals,
    documents=st.lists(st.builds(BundleDocument, kinds, st.binary(max_size=20), st.none() | texts), max_size=3).map(tuple),
    policy_name=st.none() | texts,
    policy_sha256=st.none() | hashes.map(bytes.hex),
)


def full() -> EvidenceBundle:
    """A bundle in which every part is there."""
    return EvidenceBundle(
        parse_voltagegpu(encode(voltagegpu()), pod_id="pod_1"),
        nonce=NONCE,
        binding="voltage-attest/1",
        tls_spki_sha256=bytes(32),
        created_at=datetime(2026, 11, 24, 16, 39, 0, tzinfo=UTC),
        collateral=BundleCollateral(
            tuple((key, text) for key, text in NINE.items() if key != "root_ca_crl"),
            (("root_ca_crl", "the service did not answer"),),
            (BundleSource("tcb_info", "https://api.trustedservices.intel.com/tdx/certification/v4/tcb", from_cache=True),),
        ),
        documents=(BundleDocument("nvidia-nras", b"[]", "gpu[0]"),),
        policy_name="clinic",
        policy_sha256="ab" * 32,
    )


def members() -> dict[str, object]:
    document: dict[str, object] = json.loads(dump_bundle(full()))
    return document


@settings(max_examples=examples(60))
@given(bundle=bundles)
def test_what_is_written_reads_back_as_it_was(bundle: EvidenceBundle) -> None:
    text = dump_bundle(bundle)
    assert parse_bundle(text.encode()) == parse_any_bundle(text.encode()) == bundle
    assert dump_bundle(parse_bundle(text.encode())) == text
    VALIDATOR.validate(json.loads(text))


def test_a_full_bundle_has_a_value_everywhere() -> None:
    """So that the tests built on it reach every member."""

    def holes(value: object, where: str) -> list[str]:
        if isinstance(value, dict):
            return [hole for key, member in value.items() for hole in holes(member, f"{where}.{key}")]
        return [where] if value in (None, [], "") else []

    assert holes(members(), "") == [".evidence.warnings"]


def test_the_text_is_the_same_for_the_same_bundle_and_ascii() -> None:
    text = dump_bundle(full())
    assert text == dump_bundle(full())
    assert text.isascii()
    assert text.endswith("}\n")


def test_only_schema_and_evidence_are_needed() -> None:
    assert parse_bundle(b'{"schema": "voltage-attest/evidence/1", "evidence": {}}') == EvidenceBundle(Evidence())


def test_null_and_absent_are_the_same() -> None:
    document = {key: value if key in {"schema", "evidence"} else None for key, value in members().items()}
    document["evidence"] = dict.fromkeys(SCHEMA["$defs"]["evidence"]["properties"])
    assert parse_bundle(encode(document)) == EvidenceBundle(Evidence())
    VALIDATOR.validate(document)


@pytest.mark.parametrize("form", ["raw", "hex", "base64"])
def test_a_quote_is_written_raw_whatever_form_it_came_in(form: str) -> None:
    quote = INTEL.platform().quote()
    received = {"raw": quote, "hex": quote.hex().encode(), "base64": b64(quote).encode()}[form]
    bundle = parse_bundle(dump_bundle(EvidenceBundle(Evidence(received))).encode())
    assert bundle.evidence.quote == quote


def test_times_are_brought_to_utc_and_whole_seconds() -> None:
    east = timezone(timedelta(hours=2))
    bundle = EvidenceBundle(Evidence(), created_at=datetime(2026, 1, 1, 1, 30, 0, 999_999, tzinfo=east))
    assert bundle.created_at == datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="no time zone"):
        EvidenceBundle(Evidence(), created_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is the point


@pytest.mark.parametrize(
    "bundle",
    [
        EvidenceBundle(Evidence(nonce=b"short")),
        EvidenceBundle(Evidence(), nonce=bytes(31)),
        EvidenceBundle(Evidence(binding_inputs=(("a", b"1"), ("a", b"2")))),
        EvidenceBundle(Evidence(), policy_sha256="AB" * 32),
        EvidenceBundle(Evidence(), documents=(BundleDocument("Upper", b""),)),
        EvidenceBundle(Evidence(), collateral=BundleCollateral((("tcb", ""),))),
        EvidenceBundle(Evidence(pod_id="\ud800")),
        EvidenceBundle(Evidence(pod_id="x" * 1025)),
    ],
    ids=["nonce", "own nonce", "input twice", "upper-case hash", "kind", "collateral key", "surrogate", "long text"],
)
def test_what_would_not_read_back_is_not_written(bundle: EvidenceBundle) -> None:
    with pytest.raises(ValueError, match="bundle"):
        dump_bundle(bundle)


def sections() -> list[tuple[str, ...]]:
    """The path of every object in a full bundle."""

    def objects(value: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if isinstance(value, list):
            return [found for number, member in enumerate(value) for found in objects(member, (*path, str(number)))]
        if not isinstance(value, dict):
            return []
        return [path, *[found for key, member in value.items() for found in objects(member, (*path, key))]]

    return objects(members(), ())


@pytest.mark.parametrize("path", [path for path in sections() if path[-1:] != ("binding_inputs",)], ids=".".join)
def test_an_unknown_key_is_refused_at_every_level(path: tuple[str, ...]) -> None:
    document = members()
    inner: object = document
    for step in path:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step] if isinstance(inner, dict) else None
    assert isinstance(inner, dict)
    inner["extra"] = None
    with pytest.raises(EvidenceFormatError, match="has the key 'extra'"):
        parse_bundle(encode(document))
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("path", sections(), ids=".".join)
def test_a_key_twice_is_refused_at_every_level(path: tuple[str, ...]) -> None:
    document = members()
    inner: object = document
    for step in path:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step] if isinstance(inner, dict) else None
    assert isinstance(inner, dict)
    key = next(iter(inner))
    inner["#twin"] = inner[key]
    with pytest.raises(EvidenceFormatError, match="occurs twice"):
        parse_bundle(json.dumps(document).replace('"#twin"', json.dumps(key)).encode())


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"schema": "voltage-attest/evidence/2"}, "schema is the text 'voltage-attest/evidence/2'"),
        ({"schema": None}, "no 'schema'"),
        ({"evidence": None}, "no 'evidence'"),
        ({"evidence": []}, "evidence is a list"),
        ({"created_at": "2026-11-24 16:39:00"}, "created_at is"),
        ({"created_at": "2026-02-30T00:00:00Z"}, "created_at is"),
        ({"created_at": "2026-11-24T16:39:00+00:00"}, "created_at is"),
        ({"nonce": "00"}, "nonce is"),
        ({"subject": {"pod_id": 1}}, "pod_id is 1"),
        ({"channel": {"tls_spki_sha256": "00"}}, "tls_spki_sha256 is"),
        ({"evidence": {"quote": "*"}}, "quote is"),
        ({"evidence": {"opinion": {"measurement_valid": 0}}}, "measurement_valid is 0"),
        ({"evidence": {"event_log": []}}, "event_log is a list"),
        ({"evidence": {"gpu_evidence": [{}]}}, "gpu_evidence[0] is an object"),
        ({"evidence": {"binding_inputs": {"a": None}}}, "a is null"),
        ({"evidence": {"warnings": [""] * 1025}}, "warnings is a list of 1025 members"),
        ({"collateral": {"intel": {"tcb_info": {}}}}, "tcb_info is an object"),
        ({"collateral": {"sources": [{}]}}, "no 'kind'"),
        ({"documents": [{"kind": "a"}]}, "no 'content'"),
        ({"documents": [{"kind": "A", "content": ""}]}, "kind is the text 'A'"),
        ({"policy": {"sha256": 7}}, "sha256 is 7"),
    ],
)
def test_a_malformed_member_is_refused_by_name(changes: dict[str, object], found: str) -> None:
    document = {**members(), **changes}
    with pytest.raises(EvidenceFormatError) as refused:
        parse_bundle(encode(document))
    assert found in refused.value.found
    if changes.get("created_at") != "2026-02-30T00:00:00Z":  # a schema knows no calendar
        assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"{}", "holds nothing"),
        (b'{"quote": "", "nonce": ""}', "holds 'quote', 'nonce'"),
        (b'{"format": "other/1"}', "format is the text 'other/1'"),
        (b'{"schema": 1}', "schema is 1"),
        (b"\x04\x00\x02\x00\xff", "is not text"),
        (b"{" + b" " * MAX_BUNDLE_SIZE + b"}", f"has {MAX_BUNDLE_SIZE + 2} bytes"),
    ],
    ids=["empty", "answer", "format", "schema", "quote", "too long"],
)
def test_what_is_no_bundle_is_refused(data: bytes, found: str) -> None:
    with pytest.raises(EvidenceFormatError) as refused:
        parse_any_bundle(data)
    assert found in refused.value.found


@settings(max_examples=examples(100))
@given(data=mutated_bytes([dump_bundle(full()).encode()]))
def test_mutated_bundles_are_read_or_refused(data: bytes) -> None:
    assert_read_or_refused(parse_any_bundle, data, EvidenceFormatError)


@settings(max_examples=examples(100))
@given(document=mutated_json(json.loads(dump_bundle(full())), edits=3))
def test_bundles_of_almost_the_right_shape_are_read_or_refused_as_the_schema_says(document: object) -> None:
    """What is read, the schema allows; and what it allows is read, but for what no schema can say."""
    data = encode(document)
    assert_read_or_refused(parse_bundle, data, EvidenceFormatError)
    try:
        parse_bundle(data)
    except EvidenceFormatError:
        return
    VALIDATOR.validate(document)


def intel_collateral(bundle: EvidenceBundle) -> IntelCollateral:
    """The documents as the verifier takes them."""
    collateral = parse_intel_collateral(encode(dict(bundle.collateral.documents)))
    return replace(collateral, absences=bundle.collateral.absences)


@pytest.mark.parametrize("binding", ["voltage-attest/1", "near"])
def test_the_verdict_of_a_bundle_is_that_of_what_was_put_in_row_by_row(binding: str) -> None:
    verifier = Verifier(
        parse_policy(f'{policy_text()}\n[channel]\nbinding = "{binding}"\n'), roots=TrustRoots.from_pem(intel=INTEL.root_pem)
    )
    nine = INTEL.collateral(INTEL.platform()).to_json()
    evidence = parse_voltagegpu(encode(voltagegpu()), pod_id="pod_1")
    live = verifier.examine(evidence, parse_intel_collateral(nine), at=APPRAISED_AT, nonce=NONCE)
    documents = tuple(json.loads(nine).items())
    text = dump_bundle(EvidenceBundle(evidence, nonce=NONCE, collateral=BundleCollateral(documents)))
    kept = parse_bundle(text.encode())
    again = verifier.examine(kept.evidence, intel_collateral(kept), at=APPRAISED_AT, nonce=kept.nonce)
    assert again == live
    assert again.verdict.value == ("verified" if binding == "voltage-attest/1" else "undecided")
