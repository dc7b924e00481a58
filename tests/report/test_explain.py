"""What ``explain`` says, made from the registry alone."""

from __future__ import annotations

import pytest

from tests.report.samples import check_golden
from voltage_attest.checks import REGISTRY
from voltage_attest.report import render_check_list, render_explanation


@pytest.mark.parametrize("check_id", REGISTRY)
def test_an_explanation_says_all_that_the_registry_knows(check_id: str) -> None:
    check = REGISTRY[check_id]
    words = render_explanation(check).split()
    text = " ".join(words)
    for sentence in (check.id, check.title, check.proves, check.does_not_prove, check.remedy, check.spec, check.actor.value):
        assert sentence in text
    assert all(required in text for required in check.requires)


def test_an_explanation_is_what_it_was() -> None:
    check_golden("explain.txt", render_explanation(REGISTRY["tdx.pck.revocation"]))


def test_the_list_names_every_check_once() -> None:
    lines = render_check_list(REGISTRY.values(), width=400).splitlines()
    for check in REGISTRY.values():
        assert sum(line.split()[:1] == [check.id] for line in lines) == 1


def test_colour_is_only_there_when_asked_for() -> None:
    check = REGISTRY["tdx.pck.chain"]
    assert "\x1b" not in render_explanation(check) + render_check_list([check])
    assert "\x1b[1mtdx.pck.chain\x1b[0m" in render_explanation(check, color=True)
