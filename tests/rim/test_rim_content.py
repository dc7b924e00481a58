"""A manifest's content is read strictly: whatever is not understood refuses it, signed or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.rim.foundry import DRIVER, SWID, Manifest, digest
from tests.support.sampling import examples
from voltage_attest.collateral.rim_content import RimContent, parse_rim_content
from voltage_attest.errors import CollateralFormatError

ACTIVE = 'index="7" active="True"'
HASH = f'ns2:Hash0="{digest("7").hex()}"'


def read(xml: str) -> RimContent:
    return parse_rim_content(etree.fromstring(xml.encode()))


def refusal(xml: str) -> str:
    with pytest.raises(CollateralFormatError) as refused:
        read(xml)
    return refused.value.found


def edited(old: str, new: str) -> str:
    """The usual document before signing, with one text replaced where it first stands."""
    xml = Manifest().xml()
    assert old in xml
    return xml.replace(old, new, 1)


def test_reads_product_version_and_active_measurements_alone() -> None:
    content = read(Manifest().xml())
    assert (content.product, content.edition, content.version, content.tag_id) == ("GH100", "GPU", DRIVER, "0123")
    assert [(golden.index, golden.alternatives) for golden in content.measurements] == [
        (7, (digest("7"),)),
        (35, (digest("on"), digest("off"))),
    ]
    assert content.minimum_svns == ()


def test_reads_opaque_records_by_type() -> None:
    """Index 4096 + type, as NVIDIA's specification and its own tests have it (4133 is type 37)."""
    content = read(Manifest(floors={37: ("FSP_UCODE_MIN_SVN", 5), 0: ("TYPE_ID_ZERO", 1)}).xml())
    found = [(floor.opaque_type, floor.name, floor.minimum) for floor in content.minimum_svns]
    assert found == [(0, "TYPE_ID_ZERO", 1), (37, "FSP_UCODE_MIN_SVN", 5)]


def test_an_inactive_opaque_record_takes_no_part() -> None:
    record = f'<Resource type="Measurement" index="4133" active="False" name="X" {HASH}/></Payload>'
    assert read(edited("</Payload>", record)).minimum_svns == ()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('ns1:FirmwareManufacturerId="5703"', 'ns1:FirmwareManufacturerId="343"', "343"),
        (' ns1:FirmwareManufacturerId="5703"', "", "None"),
        ('ns1:FirmwareManufacturerId="5703"', 'FirmwareManufacturerId="5703"', "None"),
        (' product="GH100"', "", "product"),
        ('product="GH100"', 'product=""', "product"),
        (' edition="GPU"', "", "edition"),
        (f' colloquialVersion="{DRIVER}"', "", "colloquialVersion"),
        (' tagId="0123"', "", "tagId"),
        (ACTIVE, 'index="8" active="True"', "index 8 twice"),
        (ACTIVE, 'index="64" active="True"', "index 64"),
        (ACTIVE, 'index="4095" active="True"', "index 4095"),
        (ACTIVE, 'index="69632" active="True"', "69632"),
        (ACTIVE, 'index="-1" active="True"', "-1"),
        (ACTIVE, 'index="07" active="True"', "07"),
        (ACTIVE, 'index="\u0667" active="True"', "index"),
        (ACTIVE, 'active="True"', "index"),
        (ACTIVE, 'index="7" active="true"', "true"),
        (ACTIVE, 'index="7"', "None"),
        (f'alternatives="1" {HASH}', f'alternatives="2" {HASH}', "Hash1"),
        (f'alternatives="1" {HASH}', f'alternatives="0" {HASH}', "Hash0"),
        (f'alternatives="1" {HASH}', f'alternatives="17" {HASH}', "17"),
        (f'alternatives="1" {HASH}', 'alternatives="0"', "[]"),
        (HASH, f'{HASH} ns2:Hash1="{"00" * 48}"', "Hash1"),
        (HASH, HASH[:-3] + '"', "values"),
        (HASH, HASH.replace("ns2:", "ns3:"), "Hash0"),
        (HASH, HASH.replace("ns2:", ""), "Hash0"),
        (f'{HASH} name="Measurement_7"', HASH, "name"),
        (f'{HASH} name="Measurement_7" size="48"', f'{HASH} name="Measurement_7" size="32"', "size 32"),
        (HASH, f'{HASH} ns3:minSvn="5"', "minSvn"),
        (HASH, f'{HASH} mask="ff"', "mask"),
        ('<Resource type="Measurement" index="7"', '<Resource type="Other" index="7"', "Other"),
        ("<Payload>", "<Payload><File/>", "File"),
        ("<Payload>", '<Payload><Resource xmlns="x" type="Measurement" index="7"/>', "Resource"),
        ("</Payload>", '<Resource type="Measurement" index="70000"/></Payload>', "70000"),
        ("</Payload>", f'<Resource type="Measurement" index="4133" active="True" name="X" {HASH}/></Payload>', "Hash0"),
        ("</Payload>", '<Resource type="Measurement" index="4133" active="True" name="X"/></Payload>', "minSvn"),
        ("</Payload>", '<Resource type="Measurement" index="4133" active="True" ns3:minSvn="5"/></Payload>', "name"),
        ("</Payload>", '<Resource type="Measurement" index="4133" active="True" name="X" ns3:minSvn="5x"/></Payload>', "5x"),
        ("</Payload>", '<Resource type="Measurement" index="4133" active="True" name="X" ns3:minSvn="-1"/></Payload>', "-1"),
    ],
)
def test_refuses_what_it_does_not_understand(old: str, new: str, found: str) -> None:
    assert found in refusal(edited(old, new))


def test_refuses_a_manifest_that_would_compare_nothing() -> None:
    assert refusal(Manifest(golden={}).xml()) == "RIM: no active measurement"


def test_refuses_two_opaque_records_of_one_name() -> None:
    assert "one name" in refusal(Manifest(floors={37: ("X", 1), 38: ("X", 1)}).xml())


@settings(max_examples=examples(200))
@given(
    st.sampled_from(
        ["index", "active", "alternatives", "size", "name", "type", "{http://www.w3.org/2001/04/xmlenc#sha384}Hash0"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=100),
)
def test_any_attribute_value_is_read_or_refused(name: str, value: str) -> None:
    root = etree.fromstring(Manifest().xml().encode())
    resource = root.findall(f".//{{{SWID}}}Resource")[7]
    resource.set(name, value)
    try:
        content = parse_rim_content(root)
    except CollateralFormatError:
        return
    assert all(len(each) == 48 for golden in content.measurements for each in golden.alternatives)
