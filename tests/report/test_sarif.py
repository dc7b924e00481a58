"""SARIF: valid by its schema, one rule for each check, and results that point at the policy's line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.hostile import ATTACKS, hostile
from tests.report.samples import REFUSED, SAMPLES, UNDECIDED, UNSAFE, VERIFIED, check_golden, real_result
from voltage_attest.checks import REGISTRY
from voltage_attest.report.entries import Named
from voltage_attest.report.formats import render_report

SCHEMA: Final = json.loads((Path(__file__).parent / "schema" / "sarif-2.1.0-rtm.5.json").read_text("utf-8"))
VALIDATOR: Final = jsonschema.Draft4Validator(SCHEMA)
RESULTS: Final = {**SAMPLES, "real": real_result()}


def run_of(*named: Named) -> dict[str, Any]:
    log = json.loads(render_report("sarif", named))
    run: dict[str, Any] = log["runs"][0]
    assert len(log["runs"]) == 1
    return run


@pytest.mark.parametrize("name", RESULTS)
def test_it_meets_the_schema(name: str) -> None:
    VALIDATOR.validate(json.loads(render_report("sarif", [Named(name, RESULTS[name])])))


def test_many_results_make_one_run_that_meets_the_schema() -> None:
    named = [Named(name, result) for name, result in RESULTS.items()]
    VALIDATOR.validate(json.loads(render_report("sarif", named)))
    assert {result["properties"]["subject"] for result in run_of(*named)["results"]} == {"refused", "undecided", "unsafe"}
    assert run_of(*named)["properties"]["verdicts"] == {name: result.verdict.value for name, result in RESULTS.items()}


def test_no_results_are_a_valid_log_too() -> None:
    VALIDATOR.validate(json.loads(render_report("sarif", [])))


@pytest.mark.parametrize("name", ["refused", "undecided", "unsafe"])
def test_the_results_are_what_they_were(name: str) -> None:
    results = run_of(Named(name, RESULTS[name]))["results"]
    check_golden(f"{name}.sarif.json", json.dumps(results, indent=2) + "\n")


def test_every_check_is_a_rule_with_its_help() -> None:
    rules = run_of(Named("pod", VERIFIED))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(REGISTRY)
    for rule in rules:
        assert REGISTRY[rule["id"]].remedy in rule["help"]["text"]


def test_a_rules_index_is_its_place() -> None:
    run = run_of(Named("pod", REFUSED))
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_failed_pin_points_at_its_line_and_everything_else_at_the_policy() -> None:
    places = {
        result["ruleId"]: result["locations"][0]["physicalLocation"] for result in run_of(Named("pod", REFUSED))["results"]
    }
    assert places["tdx.policy.mrtd"]["artifactLocation"]["uri"] == "voltage-attest.toml"
    assert places["tdx.policy.mrtd"]["region"]["startLine"] == 5
    assert places["tdx.crl.pck"]["region"]["startLine"] == 1


def test_what_passed_is_no_result_and_what_is_unsafe_a_warning() -> None:
    assert run_of(Named("pod", VERIFIED))["results"] == []
    assert [result["level"] for result in run_of(Named("pod", UNSAFE))["results"]] == ["warning"]
    assert [result["level"] for result in run_of(Named("pod", UNDECIDED))["results"]] == ["error"]


def test_a_finding_keeps_its_fingerprint_whatever_value_was_found() -> None:
    row = REFUSED.checks[1]
    other = row._replace(finding=row.finding._replace(actual="another"))
    prints = {
        run_of(Named("pod", VERIFIED.__class__(**_fields(checks=(found,)))))["results"][0]["partialFingerprints"][
            "voltageAttest/v1"
        ]
        for found in (row, other)
    }
    assert len(prints) == 1


def _fields(**changed: Any) -> dict[str, Any]:
    return {"appraised_at": REFUSED.appraised_at, "verifier_version": "0", **changed}


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_evidence_leaves_it_valid(attack: str) -> None:
    VALIDATOR.validate(json.loads(render_report("sarif", [hostile(attack)])))


@given(st.text(st.characters(), max_size=30))
def test_any_text_leaves_it_json(text: str) -> None:
    json.loads(render_report("sarif", [hostile(text)]))
