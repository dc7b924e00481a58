"""TCB info and QE identity: TDX's and nobody else's, complete, and sorted whatever the JSON's order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import mutated_bytes, mutated_json
from tests.support.parsers import assert_read_or_refused
from tests.support.real_evidence import collateral_documents
from tests.support.sampling import examples
from voltage_attest.collateral.qe_identity import parse_qe_identity
from voltage_attest.collateral.tcb_info import TcbInfo, parse_tcb_info
from voltage_attest.errors import CollateralFormatError
from voltage_attest.tcb_status import TcbStatus
from voltage_attest.testing import IsvLevel, QeIdentity, TdxModuleIdentity, pad_components
from voltage_attest.testing import TcbInfo as IssuedTcbInfo
from voltage_attest.testing import TcbLevel as IssuedTcbLevel

Json = dict[str, object]

NAMES = ("tdx_quote", "tdx_quote_td15ex", "tdx_quote_outdated")
INFO = IssuedTcbInfo()
IDENTITY = QeIdentity()
DATE = datetime(2025, 8, 13, tzinfo=UTC)
SGX = collateral_documents("sgx_quote")


def info_json() -> Json:
    """The simulator's TCB info as a JSON object, new each time."""
    return cast("Json", json.loads(INFO.to_json()))


def identity_json() -> Json:
    """The simulator's QE identity as a JSON object, new each time."""
    return cast("Json", json.loads(IDENTITY.to_json()))


def changed(document: Json, path: str, value: object) -> str:
    """The text with the value at ``path`` (keys and positions, dotted) replaced, or removed for Ellipsis."""
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target: object = document
    for step in way:
        target = cast("Json", target)[cast("str", step)]
    if value is ...:
        del cast("Json", target)[cast("str", last)]
    else:
        cast("Json", target)[cast("str", last)] = value
    return json.dumps(document)


def refused(parse: Callable[[str], object], text: str, document: str) -> CollateralFormatError:
    """The error that reading this document must raise."""
    with pytest.raises(CollateralFormatError) as raised:
        parse(text)
    assert raised.value.document == document
    return raised.value


@pytest.mark.parametrize("name", NAMES)
def test_real_tcb_info_reads_as_json_says(name: str) -> None:
    """Dates, numbers, module identities and every level, compared with a plain reading of the JSON."""
    text = collateral_documents(name)["tcb_info"]
    info, plain = parse_tcb_info(text), json.loads(text)
    assert (info.fmspc.hex(), info.pce_id.hex()) == (plain["fmspc"].lower(), plain["pceId"].lower())
    assert info.tcb_evaluation_data_number == plain["tcbEvaluationDataNumber"]
    assert info.issue_date == datetime.fromisoformat(plain["issueDate"])
    assert info.next_update == datetime.fromisoformat(plain["nextUpdate"])
    assert {identity.id for identity in info.module_identities} == {entry["id"] for entry in plain["tdxModuleIdentities"]}
    assert sorted(
        (bytes(level.sgx_components), level.pce_svn, bytes(level.tdx_components), level.status.value, level.advisory_ids)
        for level in info.levels
    ) == sorted(
        (
            bytes(component["svn"] for component in level["tcb"]["sgxtcbcomponents"]),
            level["tcb"]["pcesvn"],
            bytes(component["svn"] for component in level["tcb"]["tdxtcbcomponents"]),
            level["tcbStatus"],
            tuple(level.get("advisoryIDs", ())),
        )
        for level in plain["tcbLevels"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_real_qe_identity_reads_as_json_says(name: str) -> None:
    """Values, masks and levels, compared with a plain reading of the JSON."""
    text = collateral_documents(name)["qe_identity"]
    identity, plain = parse_qe_identity(text), json.loads(text)
    assert identity.mr_signer.hex() == plain["mrsigner"].lower()
    assert (identity.attributes.hex(), identity.attributes_mask.hex()) == (
        plain["attributes"].lower(),
        plain["attributesMask"].lower(),
    )
    assert (identity.misc_select.hex(), identity.misc_select_mask.hex()) == (
        plain["miscselect"].lower(),
        plain["miscselectMask"].lower(),
    )
    assert identity.isv_prod_id == plain["isvprodid"]
    assert [level.isv_svn for level in identity.levels] == [level["tcb"]["isvsvn"] for level in plain["tcbLevels"]]


def test_sgx_collateral_is_refused_by_its_id() -> None:
    """Genuine documents of Intel's, made for SGX."""
    assert "id 'SGX'" in refused(parse_tcb_info, SGX["tcb_info"], "tcb_info").found
    assert "id 'QE'" in refused(parse_qe_identity, SGX["qe_identity"], "qe_identity").found


@pytest.mark.parametrize(("path", "value"), [("id", "SGX"), ("id", "tdx"), ("id", ""), ("version", 2), ("version", 4)])
def test_tcb_info_of_another_kind_is_refused(path: str, value: object) -> None:
    """Id and version decide what a document means; the remedy names the right path of Intel's service."""
    error = refused(parse_tcb_info, changed(info_json(), path, value), "tcb_info")
    assert error.expected == "id 'TDX', version 3"
    assert "/tdx/certification/v4/tcb" in error.remedy


@pytest.mark.parametrize(
    ("path", "value"),
    [("id", "QE"), ("id", "QVE"), ("id", "td_qe"), ("version", 1), ("version", 3)],
)
def test_qe_identity_of_another_kind_is_refused(path: str, value: object) -> None:
    """The SGX QE and the quote verification enclave are signed by the same key."""
    error = refused(parse_qe_identity, changed(identity_json(), path, value), "qe_identity")
    assert error.expected == "id 'TD_QE', version 2"


def test_the_two_documents_are_not_mistaken_for_each_other() -> None:
    """Same signer, other document."""
    refused(parse_tcb_info, IDENTITY.to_json(), "tcb_info")
    refused(parse_qe_identity, INFO.to_json(), "qe_identity")


@pytest.mark.parametrize("path", [key for key in info_json() if key != "tdxModuleIdentities"])
def test_tcb_info_without_a_mandatory_key_is_refused(path: str) -> None:
    """Only tdxModuleIdentities may be absent."""
    refused(parse_tcb_info, changed(info_json(), path, ...), "tcb_info")


@pytest.mark.parametrize("path", list(identity_json()))
def test_qe_identity_without_any_key_is_refused(path: str) -> None:
    """Every key is mandatory."""
    refused(parse_qe_identity, changed(identity_json(), path, ...), "qe_identity")


def test_tcb_info_without_module_identities_has_none() -> None:
    """Intel's early TCB info had none; a module of major version 1 then has no identity to match."""
    assert parse_tcb_info(replace(INFO, module_identities=None).to_json()).module_identities == ()


LEVEL, MODULE = "tcbLevels.0", "tdxModuleIdentities.0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tcbType", 1),
        ("tcbType", True),
        ("tcbLevels", []),
        ("tcbLevels", {}),
        ("tcbLevels", [1]),
        ("tcbLevels", [None]),
        (f"{LEVEL}.tcb", ...),
        (f"{LEVEL}.tcb.pcesvn", ...),
        (f"{LEVEL}.tcb.pcesvn", -1),
        (f"{LEVEL}.tcb.pcesvn", 65536),
        (f"{LEVEL}.tcb.pcesvn", "11"),
        (f"{LEVEL}.tcb.sgxtcbcomponents", ...),
        (f"{LEVEL}.tcb.tdxtcbcomponents", ...),
        (f"{LEVEL}.tcb.sgxtcbcomponents", [{"svn": 1}] * 15),
        (f"{LEVEL}.tcb.sgxtcbcomponents", [{"svn": 1}] * 17),
        (f"{LEVEL}.tcb.tdxtcbcomponents", [{"svn": 1}] * 15),
        (f"{LEVEL}.tcb.tdxtcbcomponents", []),
        (f"{LEVEL}.tcb.tdxtcbcomponents", [1] * 16),
        (f"{LEVEL}.tcb.sgxtcbcomponents.3.svn", ...),
        (f"{LEVEL}.tcb.sgxtcbcomponents.3.svn", 256),
        (f"{LEVEL}.tcb.sgxtcbcomponents.3.svn", -1),
        (f"{LEVEL}.tcb.sgxtcbcomponents.3.svn", True),
        (f"{LEVEL}.tcb.sgxtcbcomponents.3.svn", 1.0),
        (f"{LEVEL}.tcb.sgxtcbcomponents.3.svn", "1"),
        (f"{LEVEL}.tcb.tdxtcbcomponents.15.svn", 2**64),
        (f"{LEVEL}.tcbDate", ...),
        (f"{LEVEL}.tcbDate", "2025-08-13"),
        (f"{LEVEL}.tcbStatus", ...),
        (f"{LEVEL}.tcbStatus", "uptodate"),
        (f"{LEVEL}.tcbStatus", "UpToDate "),
        (f"{LEVEL}.tcbStatus", "TDRelaunchAdvised"),
        (f"{LEVEL}.tcbStatus", "Unknown"),
        (f"{LEVEL}.tcbStatus", ["UpToDate"]),
        (f"{LEVEL}.advisoryIDs", "INTEL-SA-00615"),
        (f"{LEVEL}.advisoryIDs", [1]),
        (f"{LEVEL}.advisoryIDs", None),
        ("fmspc", "b0c06f0000"),
        ("fmspc", "b0c06f00000g"),
        ("pceId", "00"),
        ("tcbEvaluationDataNumber", -1),
        ("tcbEvaluationDataNumber", 2**32),
        ("tcbEvaluationDataNumber", "20"),
        ("issueDate", "2026-11-01T00:00:00"),
        ("nextUpdate", None),
        ("tdxModule", []),
        ("tdxModule.mrsigner", "00" * 32),
        ("tdxModule.attributes", "00" * 7),
        ("tdxModule.attributesMask", ...),
        ("tdxModuleIdentities", []),
        ("tdxModuleIdentities", None),
        (f"{MODULE}.id", ...),
        (f"{MODULE}.mrsigner", ...),
        (f"{MODULE}.tcbLevels", []),
        (f"{MODULE}.tcbLevels.0.tcb", {}),
        (f"{MODULE}.tcbLevels.0.tcb.isvsvn", 65536),
        (f"{MODULE}.tcbLevels.0.tcb.isvsvn", False),
        (f"{MODULE}.tcbLevels.0.tcbStatus", "SWHardeningNeeded"),
        (f"{MODULE}.tcbLevels.0.tcbStatus", "ConfigurationNeeded"),
        (f"{MODULE}.tcbLevels.0.tcbStatus", "OutOfDateConfigurationNeeded"),
    ],
    ids=lambda value: "removed" if value is ... else None,
)
def test_tcb_info_that_is_incomplete_or_out_of_range_is_refused(path: str, value: object) -> None:
    """Short arrays are not padded, unknown statuses not skipped, booleans are no numbers."""
    refused(parse_tcb_info, changed(info_json(), path, value), "tcb_info")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("miscselect", "00"),
        ("miscselectMask", "FFFFFFFFFF"),
        ("attributes", "11"),
        ("attributesMask", 0),
        ("mrsigner", "DC" * 48),
        ("isvprodid", 65536),
        ("isvprodid", "2"),
        ("isvprodid", True),
        ("tcbLevels", []),
        ("tcbLevels.0.tcb.isvsvn", -1),
        ("tcbLevels.0.tcb", None),
        ("tcbLevels.0.tcbStatus", "SWHardeningNeeded"),
        ("tcbLevels.0.tcbStatus", "Unknown"),
        ("tcbLevels.0.tcbDate", "yesterday"),
        ("issueDate", 1),
        ("nextUpdate", "9999-99-99T99:99:99Z"),
    ],
)
def test_qe_identity_that_is_incomplete_or_out_of_range_is_refused(path: str, value: object) -> None:
    """The same for the quoting enclave."""
    refused(parse_qe_identity, changed(identity_json(), path, value), "qe_identity")


def test_two_levels_for_one_isv_svn_are_refused() -> None:
    """Which of both applied would depend on their order."""
    twice = (
        IsvLevel(isv_svn=4, date=DATE, status="UpToDate"),
        IsvLevel(isv_svn=4, date=DATE, status="OutOfDate"),
    )
    text = replace(INFO, module_identities=(TdxModuleIdentity(id="TDX_01", levels=twice),)).to_json()
    assert "an ISVSVN has two levels" in refused(parse_tcb_info, text, "tcb_info").found
    assert (
        "an ISVSVN has two levels" in refused(parse_qe_identity, replace(IDENTITY, levels=twice).to_json(), "qe_identity").found
    )


def test_two_platform_levels_with_the_same_svns_are_refused() -> None:
    """The same for the platform: an UpToDate twin of an OutOfDate level must not win by standing first."""
    top = INFO.levels[0]
    for levels in ((top, replace(top, status="OutOfDate")), (replace(top, status="OutOfDate"), top)):
        assert "same SVNs" in refused(parse_tcb_info, replace(INFO, levels=levels).to_json(), "tcb_info").found


@pytest.mark.parametrize("second", ["TDX_01", "tdx_01"])
def test_a_module_identity_that_occurs_twice_is_refused(second: str) -> None:
    """Also when the ids differ in letter case only."""
    levels = (IsvLevel(isv_svn=4, date=DATE, status="UpToDate"),)
    text = replace(
        INFO, module_identities=(TdxModuleIdentity(id="TDX_01", levels=levels), TdxModuleIdentity(id=second, levels=levels))
    ).to_json()
    assert "occurs twice" in refused(parse_tcb_info, text, "tcb_info").found


def test_a_key_that_occurs_twice_inside_is_refused() -> None:
    """Duplicate keys at any depth of the signed text."""
    text = INFO.to_json().replace('"pcesvn":11', '"pcesvn":11,"pcesvn":0', 1)
    assert "'pcesvn' occurs twice" in refused(parse_tcb_info, text, "tcb_info").found


@settings(max_examples=examples(30))
@given(data=st.data())
def test_the_order_of_levels_is_computed_not_taken_from_the_json(data: st.DataObject) -> None:
    """Whatever the order of levels, modules and their levels, the same TCB info is read."""
    identities = data.draw(st.permutations(INFO.module_identities or ()))
    shuffled = replace(
        INFO,
        levels=tuple(data.draw(st.permutations(INFO.levels))),
        module_identities=tuple(
            replace(identity, levels=tuple(data.draw(st.permutations(identity.levels)))) for identity in identities
        ),
    )
    expected, found = parse_tcb_info(INFO.to_json()), parse_tcb_info(shuffled.to_json())
    assert found.levels == expected.levels
    assert set(found.module_identities) == set(expected.module_identities)


def test_levels_are_sorted_by_sgx_then_pce_then_tdx() -> None:
    """Highest first, component by component, as QVL orders its set of levels."""
    ordered = [
        (pad_components(3), 1, pad_components(0)),
        (pad_components(2, 9), 1, pad_components(0)),
        (pad_components(2, 1), 9, pad_components(0)),
        (pad_components(2, 1), 8, pad_components(1)),
        (pad_components(2, 1), 8, pad_components(0, 255)),
        (pad_components(2, 1), 8, pad_components(0)),
        (pad_components(0, 255, 255), 9, pad_components(255)),
    ]
    levels = tuple(
        IssuedTcbLevel(sgx=sgx, pce_svn=pce_svn, tdx=tdx, date=DATE, status="UpToDate") for sgx, pce_svn, tdx in ordered
    )
    info = parse_tcb_info(replace(INFO, levels=levels[::-1]).to_json())
    assert [(tuple(level.sgx_components), level.pce_svn, tuple(level.tdx_components)) for level in info.levels] == ordered


def test_every_status_of_intels_list_is_read() -> None:
    """Seven for platforms, three for modules and enclaves."""
    platform = [status for status in TcbStatus if not status.value.startswith("TDRelaunch")]
    top = INFO.levels[0]
    for status in platform:
        info = parse_tcb_info(replace(INFO, levels=(replace(top, status=status.value),)).to_json())
        assert info.levels[0].status is status
    for text in ("UpToDate", "OutOfDate", "Revoked"):
        levels = (IsvLevel(isv_svn=4, date=DATE, status=text),)
        assert parse_qe_identity(replace(IDENTITY, levels=levels).to_json()).levels[0].status.value == text


def read_info(data: bytes) -> TcbInfo:
    """Parse TCB info from bytes, as a fuzzer hands them over."""
    return parse_tcb_info(data.decode("utf-8", "surrogateescape"))


@settings(max_examples=examples(200))
@given(document=mutated_json(info_json()))
def test_tcb_info_of_any_shape_is_read_or_refused(document: object) -> None:
    """A valid document with values gone, renamed, doubled or replaced by any JSON."""
    assert_read_or_refused(read_info, json.dumps(document).encode(), CollateralFormatError)


@settings(max_examples=examples(200))
@given(document=mutated_json(identity_json()))
def test_qe_identity_of_any_shape_is_read_or_refused(document: object) -> None:
    """The same for the QE identity."""
    assert_read_or_refused(lambda data: parse_qe_identity(data.decode()), json.dumps(document).encode(), CollateralFormatError)


@settings(max_examples=examples(200))
@given(data=mutated_bytes([collateral_documents(name)["tcb_info"].encode() for name in NAMES]) | st.binary(max_size=400))
def test_mutated_tcb_info_is_read_or_refused(data: bytes) -> None:
    """Real text with bytes flipped, cut, inserted, doubled; half characters included."""
    assert_read_or_refused(read_info, data, CollateralFormatError)


@settings(max_examples=examples(200))
@given(data=mutated_bytes([collateral_documents("tdx_quote")["qe_identity"].encode()]) | st.binary(max_size=400))
def test_mutated_qe_identity_is_read_or_refused(data: bytes) -> None:
    """The same for the QE identity."""
    assert_read_or_refused(lambda data: parse_qe_identity(data.decode("utf-8", "surrogateescape")), data, CollateralFormatError)
