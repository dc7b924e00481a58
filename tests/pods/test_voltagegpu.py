"""The VoltageGPU answer: what is read, what is refused, and that an opinion is no evidence."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.pods.answers import CERTIFICATE_PEM, E2EE_KEY, NONCE, SPKI_SHA256, b64, encode, voltagegpu
from tests.support.outcomes import failed_ids, open_policy
from voltage_attest.appraise.binding import BINDINGS
from voltage_attest.collateral.intel import IntelCollateral
from voltage_attest.errors import EvidenceFormatError
from voltage_attest.evidence.model import ProviderOpinion
from voltage_attest.evidence.quote import parse_quote
from voltage_attest.pods import parse_answer
from voltage_attest.pods.voltagegpu import attestation_path, parse_voltagegpu
from voltage_attest.testing import APPRAISED_AT, TdReportFields
from voltage_attest.verifier import Verifier


def refusal(**changes: object) -> EvidenceFormatError:
    """What an answer with these members is refused with."""
    with pytest.raises(EvidenceFormatError) as refused:
        parse_voltagegpu(encode({**voltagegpu(), **changes}))
    return refused.value


def test_every_member_is_read() -> None:
    evidence = parse_voltagegpu(encode(voltagegpu()), pod_id="pod_1")
    assert (evidence.provider, evidence.pod_id, evidence.nonce) == ("voltagegpu", "pod_1", NONCE)
    assert evidence.tls_spki_sha256 == SPKI_SHA256
    assert evidence.e2ee_public_key == E2EE_KEY
    assert evidence.opinion == ProviderOpinion(measurement_valid=True, mr_td=TdReportFields().mrtd.hex(), tdx_version="1.5")
    assert json.loads(evidence.event_log or "")[0]["imr"] == 0
    assert [len(json.loads(device.json)["evidence_list"]) for device in evidence.gpu_evidence] == [1]
    assert [len(json.loads(device.json)["evidence_list"]) for device in evidence.switch_evidence] == [4]
    assert evidence.warnings == ()


def test_the_binding_recomputes() -> None:
    evidence = parse_voltagegpu(encode(voltagegpu()))
    assert evidence.quote is not None
    bound = parse_quote(evidence.quote).td_report.report_data
    key = hashlib.sha256(E2EE_KEY).digest()
    assert bound == hashlib.sha512(b"voltage-attest/1\x00" + NONCE + SPKI_SHA256 + key).digest()
    assert bound == BINDINGS["voltage-attest/1"](evidence, NONCE)


@pytest.mark.parametrize("quote", ["absent", None, ""])
def test_an_answer_without_quote_is_an_opinion_and_ends_at_its_check(quote: str | None) -> None:
    document = {**voltagegpu(), "quote": quote}
    if quote == "absent":
        del document["quote"]
    evidence = parse_voltagegpu(encode(document))
    assert evidence.quote is None
    assert evidence.opinion is not None
    result = Verifier(open_policy()).examine(evidence, IntelCollateral(), at=APPRAISED_AT)
    assert "evidence.quote_present" in failed_ids(result)


def test_the_smallest_answer_is_read() -> None:
    evidence = parse_voltagegpu(b"{}")
    assert (evidence.quote, evidence.opinion, evidence.gpu_evidence, evidence.warnings) == (None, None, (), ())


def test_unknown_keys_are_named_not_believed() -> None:
    evidence = parse_voltagegpu(encode({**voltagegpu(), "region": "eu", "tls_spki_sha256": "00" * 32}))
    assert evidence.tls_spki_sha256 == SPKI_SHA256
    assert [warning.rpartition(": ")[2] for warning in evidence.warnings] == [
        "the unknown key 'region' was ignored",
        "the unknown key 'tls_spki_sha256' was ignored",
    ]


def test_a_flood_of_unknown_keys_is_summed_up() -> None:
    evidence = parse_voltagegpu(encode({f"key{number}": 0 for number in range(1000)}))
    assert len(evidence.warnings) == 9
    assert evidence.warnings[-1].endswith("992 more unknown keys were ignored")


def test_json_in_a_string_is_handed_on_as_the_json_it_holds() -> None:
    document = voltagegpu()
    texts = {name: json.dumps(document[name]) for name in ("event_log", "gpu_evidence")}
    evidence = parse_voltagegpu(encode({**document, **texts}))
    assert (evidence.event_log, evidence.gpu_evidence[0].json) == (texts["event_log"], texts["gpu_evidence"])


def test_what_is_handed_on_is_the_text_received_not_a_new_one() -> None:
    odd = b'{"event_log" : [ {"a":1.50 , "\\u0062":[ ] } ],  "gpu_evidence":{ "evidence_list":[]}}'
    evidence = parse_voltagegpu(odd)
    assert evidence.event_log == '[ {"a":1.50 , "\\u0062":[ ] } ]'
    assert evidence.gpu_evidence[0].json == '{ "evidence_list":[]}'


def test_several_groups_of_gpus_stay_apart() -> None:
    groups: list[dict[str, object]] = [{"arch": arch, "evidence_list": []} for arch in ("HOPPER", "BLACKWELL")]
    evidence = parse_voltagegpu(encode({"gpu_evidence": groups}))
    assert [json.loads(device.json)["arch"] for device in evidence.gpu_evidence] == ["HOPPER", "BLACKWELL"]


@pytest.mark.parametrize(("version", "read"), [("1.5", "1.5"), (1.5, "1.5"), (2, "2")])
def test_a_version_may_be_a_number(version: object, read: str) -> None:
    evidence = parse_voltagegpu(encode({"tdx_version": version}))
    assert evidence.opinion is not None
    assert evidence.opinion.tdx_version == read


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("nonce", NONCE.hex()[:-2], "64 hex digits"),
        ("nonce", f"0x{NONCE.hex()[2:]}", "64 hex digits"),
        ("nonce", NONCE.hex()[:-1] + " ", "64 hex digits"),
        ("nonce", 7, "64 hex digits"),
        ("quote", "not base64!", "base64"),
        ("quote", b64(b"quote")[:-1], "base64"),
        ("quote", ["BAAC"], "base64"),
        ("quote", "BAÄC", "base64"),
        ("measurement_valid", "true", "true or false"),
        ("measurement_valid", 1, "true or false"),
        ("mr_td", "00", "96 hex digits"),
        ("tdx_version", True, "a version"),
        ("tdx_version", "1" * 33, "at most 32 characters"),
        ("event_log", 7, "an object, a list, or JSON in a string"),
        ("gpu_evidence", {"arch": "HOPPER"}, "a member 'evidence_list'"),
        ("gpu_evidence", {"evidence_list": [{"evidence": "EeAB"}]}, "a member 'certificate'"),
        ("gpu_evidence", {"evidence_list": [{}] * 65}, "at most 64 members"),
        ("gpu_evidence", "{", "one JSON value"),
        ("gpu_evidence", 7, "an object"),
        ("switch_evidence", [7], "an object"),
        ("tls_certificate", "-----BEGIN CERTIFICATE-----", "PEM blocks"),
        ("tls_certificate", CERTIFICATE_PEM.replace("MIIBGD", "MIIBGE"), "tag 0x30"),
        ("tls_certificate", "ü", "certificates in PEM"),
        ("e2ee_public_key", "AA=A", "base64"),
    ],
)
def test_a_malformed_member_is_refused_by_name(member: str, value: object, expected: str) -> None:
    error = refusal(**{member: value})
    assert member in error.found
    assert expected in error.expected
    assert error.remedy


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(EvidenceFormatError, match="'nonce' occurs twice"):
        parse_voltagegpu(b'{"nonce": "%s", "nonce": "%s"}' % (NONCE.hex().encode(), bytes(32).hex().encode()))


def test_an_answer_of_more_than_4_mib_is_refused_unread() -> None:
    with pytest.raises(EvidenceFormatError, match="bytes"):
        parse_voltagegpu(b"{" + b" " * (4 * 1024 * 1024) + b"}")


def test_the_path_escapes_nothing_because_nothing_needs_it() -> None:
    assert attestation_path("pod_aB-9", NONCE) == f"/v1/pods/pod_aB-9/attestation?nonce={NONCE.hex()}"


@pytest.mark.parametrize("pod_id", ["", "..", "a/b", "a%2fb", "a?b", "a#b", "a b", "ä", "a\n", "a" * 129, "pod.x"])
def test_a_pod_id_that_could_mean_another_path_is_refused(pod_id: str) -> None:
    with pytest.raises(EvidenceFormatError, match="the pod id"):
        attestation_path(pod_id, NONCE)


def test_a_nonce_of_another_size_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="a nonce of 16 bytes"):
        attestation_path("pod", NONCE[:16])


def test_a_second_document_is_refused_where_there_is_none() -> None:
    with pytest.raises(EvidenceFormatError, match="a second document beside the answer of voltagegpu"):
        parse_answer("voltagegpu", encode(voltagegpu()), companion=b"{}")


def test_an_unknown_provider_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"'acme' is unknown; expected one of voltagegpu, near, phala"):
        parse_answer("acme", b"{}")
