"""The HTML report: one file, nothing loaded, nothing run, and what a reader looks for in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import AT, CLAIMS, REFUSED, SAMPLES, UNDECIDED, UNSAFE, VERIFIED, check_golden, real_result, row
from tests.support.outcomes import open_policy
from voltage_attest.checks import REGISTRY
from voltage_attest.report.chain import Tone, binding_steps, lanes_of
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report
from voltage_attest.report.html_style import STYLE
from voltage_attest.report.meaning import TCB_MEANINGS
from voltage_attest.result import AttestationResult, BootEventClaims, GpuClaims, failed, passed, undecided
from voltage_attest.tcb_status import TcbStatus
from voltage_attest.trust import TrustRoots
from voltage_attest.verifier import Evidence, Verifier

RESULTS: Final = {**SAMPLES, "real": real_result()}
PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True)

GPU: Final = GpuClaims(
    device="gpu[0]",
    architecture="HOPPER",
    chip="GH100",
    board="G520_0280_895",
    driver_version="590.12",
    vbios_version="96.00.A5.00.01",
    mode="ppcie",
    protected_pcie=True,
    ueid="478",
    pdi="1f",
    fwid=None,
    nonce="00" * 32,
    measurements=64,
    manifests=("NV_GPU_DRIVER_GH100_590.12",),
)
NODE: Final = replace(
    VERIFIED,
    gpus=(GPU, replace(GPU, device="gpu[1]")),
    checks=(
        *VERIFIED.checks,
        *[row("gpu.chain", passed("NVIDIA"), f"gpu[{place}]") for place in range(2)],
        row("gpu.measurements", passed("64"), "gpu[0]"),
        row("gpu.measurements", failed(expected="ab" * 48, actual="ab" * 47 + "cd", reason="index 9 differs"), "gpu[1]"),
        row("binding.report_data", passed("9a" * 64)),
    ),
)
"""Two GPUs, of which one measured something else."""


def page(*named: Named) -> etree._Element:
    """The page, parsed as XML: whatever is not closed or quoted is an error."""
    text = render_report("html", named)
    assert text.startswith("<!DOCTYPE html>\n")
    return etree.fromstring(text.removeprefix("<!DOCTYPE html>\n").encode(), PARSER)


def words(element: etree._Element) -> str:
    return " ".join("".join(str(text) for text in element.itertext()).split())


def one(result: AttestationResult) -> etree._Element:
    return page(Named("pod_7", result))


@pytest.mark.parametrize("name", [*RESULTS, "node"])
def test_html_is_what_it_was(name: str) -> None:
    check_golden(f"{name}.html", render_report("html", [Named("pod_7", {**RESULTS, "node": NODE}[name])]))


@pytest.mark.parametrize(("name", "title"), [("verified", "Verified"), ("refused", "Refused"), ("undecided", "Undecided")])
def test_the_verdict_is_the_first_heading(name: str, title: str) -> None:
    headings = list(one(SAMPLES[name]).iter("h1", "h2", "h3"))
    assert (headings[0].tag, words(headings[0])) == ("h1", title)


def test_reservations_are_in_the_first_heading() -> None:
    assert words(next(one(UNSAFE).iter("h1"))) == "Verified, with reservations"
    assert "Root of trust 'intel' was replaced" in words(one(UNSAFE))


@pytest.mark.parametrize("name", RESULTS)
def test_nothing_is_loaded_and_nothing_runs(name: str) -> None:
    text = render_report("html", [Named("pod_7", RESULTS[name])])
    assert not re.search(
        r"\b(?:src|srcset|data|action|poster|background|ping)=|url\(|@import|<script|\bon[a-z]+=|<link|<iframe", text
    )
    links = set(re.findall(r'href="([^"]*)"', text))
    assert all(link.startswith(("#", "https://www.intel.com/content/www/us/en/security-center/advisory/")) for link in links)
    assert "default-src 'none'" in text


def test_every_check_of_the_result_is_named() -> None:
    text = words(one(real_result()))
    assert [check.id for check in real_result().checks if check.id not in text] == []


def test_a_failed_value_stands_whole_beside_what_was_expected_with_the_difference_marked() -> None:
    document = one(NODE)
    card = next(section for section in document.iter("section") if "index 9 differs" in words(section))
    values = [words(span) for span in card.iter("span") if span.get("class") == "hex"]
    assert values == ["ab" * 48, "ab" * 47 + "cd"]
    assert [mark.text for mark in card.iter("mark")] == ["cd"]


def test_rows_with_one_cause_stand_together() -> None:
    finding = undecided("the server is down", expected="a document", actual="absent")
    rows = tuple([row(name, finding) for name in ("tdx.crl.root", "tdx.crl.pck", "tdx.tcb_info.parse")])
    cards = [
        section for section in one(replace(UNDECIDED, checks=rows)).iter("section") if "the server is down" in words(section)
    ]
    assert len(cards) == 1
    assert "For the same reason:" in words(cards[0])
    assert [check.id for check in rows if check.id not in words(cards[0])] == []


def test_a_card_says_what_to_do_and_who_can() -> None:
    card = next(section for section in one(REFUSED).iter("section") if "tdx.policy.mrtd" in words(section))
    assert REGISTRY["tdx.policy.mrtd"].remedy in words(card)
    assert "(you can mend it)" in words(card)
    assert "voltage-attest.toml:5" in words(card)


def test_the_chain_leads_from_both_vendors_roots_to_the_tls_key() -> None:
    drawing = next(element for element in one(NODE).iter("svg") if element.get("viewBox", "").startswith("0 0 420"))
    labels = [words(text) for text in drawing.iter("text")]
    for label in ("INTEL", "NVIDIA", "Intel SGX Root CA", "NVIDIA's roots", "Nonce and keys in the evidence", "TLS key"):
        assert label in labels
    assert labels.index("Intel SGX Root CA") < labels.index("NVIDIA's roots") < labels.index("TLS key")


def test_each_step_shows_the_worst_of_its_checks() -> None:
    tones = {step.title: step.tone for lane in lanes_of(NODE) for step in lane.steps}
    assert tones["Reference values"] is Tone.BAD
    assert tones["Device certificates"] is Tone.GOOD
    assert [step.tone for step in binding_steps(NODE)] == [Tone.GOOD, Tone.GOOD]
    assert [step.tone for step in binding_steps(REFUSED)] == [Tone.NONE, Tone.NONE]


def test_a_replaced_root_is_no_anchor() -> None:
    root = lanes_of(UNSAFE)[0].steps[0]
    assert (root.detail, root.tone) == ("REPLACED", Tone.WAIT)
    assert lanes_of(NODE)[0].steps[0].detail == lanes_of(NODE)[1].steps[0].detail == "pinned"


@pytest.mark.parametrize("roles", [("intel",), ("nvidia-device",), ("intel", "nvidia-rim", "nras")], ids=" ".join)
def test_the_verifiers_own_warning_marks_the_roots_that_were_replaced(roles: tuple[str, ...]) -> None:
    verifier = Verifier(open_policy(), roots=replace(TrustRoots.default(), replaced=roles))
    warnings = verifier.examine(Evidence(), b"", at=AT).warnings
    lanes = lanes_of(replace(NODE, warnings=warnings))
    for lane, vendor in zip(lanes, ("intel", "nvidia"), strict=True):
        expected = "REPLACED" if any(role.startswith(vendor) for role in roles) else "pinned"
        assert lane.steps[0].detail == expected


def test_measured_boot_says_what_is_proven_and_what_is_only_said() -> None:
    proven = BootEventClaims(0, "RTMR1", "ab" * 48, "boot loader", "the digest of the file", bound=True)
    told = replace(proven, number=1, meaning="kernel command line", bound=False)
    text = words(one(replace(NODE, boot=(proven, told))))
    assert "Measured boot" in text
    assert f"proven RTMR1 boot loader the digest of the file {'ab' * 48}".replace(" ", "") in text.replace(" ", "")
    assert "saidRTMR1kernelcommandline" in text.replace(" ", "")


def test_every_registered_check_belongs_to_a_step_of_the_chain_or_to_none_on_purpose() -> None:
    beside = {"policy.valid_until", "evidence.fetch", "evidence.quote_present", "evidence.provider_opinion"}
    for check in REGISTRY.values():
        result = replace(NODE, checks=(row(check.id, failed(expected="a", actual="b", reason="c")),))
        steps = [step for lane in lanes_of(result) for step in lane.steps] + list(binding_steps(result))
        assert (Tone.BAD in {step.tone for step in steps}) is (check.id not in beside), check.id


@pytest.mark.parametrize("status", TcbStatus)
def test_every_tcb_status_is_told_in_words(status: TcbStatus) -> None:
    text = words(one(replace(VERIFIED, tdx=replace(CLAIMS, tcb_status=status.value))))
    assert TCB_MEANINGS[status].title in text
    assert TCB_MEANINGS[status].means in text


def test_every_advisory_is_linked_to_intels_page() -> None:
    links = [link.get("href") for link in one(REFUSED).iter("a")]
    assert links == [
        f"https://www.intel.com/content/www/us/en/security-center/advisory/intel-sa-{number}.html"
        for number in ("00615", "01192")
    ]


def test_documents_that_ended_or_have_not_begun_are_told_apart() -> None:
    text = words(one(REFUSED))
    assert "ended 2026-10-01 00:00:00 UTC" in text
    assert "begins 2026-12-01 00:00:00 UTC" in text
    assert "no window that could be read" in text


@pytest.mark.parametrize("days", [0, 1, 30, 4000, 2_000_000])
def test_a_window_of_any_length_is_drawn(days: int) -> None:
    record = replace(VERIFIED.collateral[0], issued=AT, next_update=AT + timedelta(days=days))
    one(replace(VERIFIED, collateral=(record,)))


def test_the_same_check_of_many_devices_is_one_line() -> None:
    assert "gpu.chain (2 devices)" in words(one(NODE))
    assert "gpu.measurements (gpu[1])" in words(one(NODE))


def test_several_results_are_listed_the_worst_first_and_linked() -> None:
    document = page(Named("good", VERIFIED), Named("open", UNDECIDED), Named("bad one", REFUSED))
    rows = [words(cell) for cell in next(document.iter("table")).iter("td")]
    assert rows[1::3] == ["bad one", "open", "good"]
    targets = {link.get("href", "").removeprefix("#") for link in document.iter("a") if link.get("href", "").startswith("#")}
    assert targets == {article.get("id") for article in document.iter("article")}


def test_of_many_results_the_verified_are_told_by_their_row() -> None:
    document = page(*[Named(f"pod_{place}", VERIFIED) for place in range(30)], Named("bad", REFUSED))
    assert len(list(document.iter("article"))) == 1
    assert "31 results: 30 verified, 1 refused" in words(document)


def test_a_result_without_anything_still_renders() -> None:
    document = one(replace(UNDECIDED, checks=()))
    assert words(next(document.iter("h1"))) == "Undecided"
    assert "nothing was checked" in words(document)
    assert words(next(page().iter("h1"))) == "Undecided"


@pytest.mark.parametrize("attack", ATTACKS)
def test_evidence_adds_no_element_and_no_attribute(attack: str) -> None:
    found, benign = (
        [(element.tag, sorted(element.attrib)) for element in page(hostile(said)).iter() if element.tag != "mark"]
        for said in (attack, "benign")
    )
    assert found == benign


@given(st.text(st.characters(), max_size=30))
def test_any_text_leaves_it_well_formed(text: str) -> None:
    page(hostile(text))


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1, 2], ids=["light", "dark", "paper"])
def test_text_stands_out_from_its_ground_in_every_theme(theme: int) -> None:
    blocks = re.findall(r":root\{([^}]+)\}", STYLE.replace("\n", ""))
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)", blocks[theme]))
    pairs = [("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("ink", "code"), ("accent", "card")]
    pairs += [(tone, f"{tone}-bg") for tone in ("good", "bad", "wait")] + [("ink", "mark")]
    for front, ground in pairs:
        light, dark = sorted((luminance(colours[front]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, ground)
