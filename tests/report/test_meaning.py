"""TCB statuses and advisories in words: every one of them, what to do, and who must act."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run, folder, run
from voltage_attest.checks import REGISTRY, Actor
from voltage_attest.report.explain import render_meaning
from voltage_attest.report.meaning import ADVISORIES, TCB_MEANINGS, advisory_meaning, advisory_url, parse_advisory_id
from voltage_attest.tcb_status import TcbStatus

__all__ = ["folder", "run"]


def test_every_status_has_its_meaning() -> None:
    assert list(TCB_MEANINGS) == list(TcbStatus)


def test_every_check_says_who_can_mend_it() -> None:
    assert {check.actor for check in REGISTRY.values()} <= set(Actor)


@pytest.mark.parametrize("name", [*TCB_MEANINGS, *ADVISORIES, "INTEL-SA-99999", "INTEL-DOC-00123"])
def test_each_is_told_whole(name: str) -> None:
    meaning = TCB_MEANINGS.get(name) or advisory_meaning(name)
    text = " ".join(render_meaning(meaning).split())
    for part in (name, meaning.title, meaning.means, meaning.what_to_do, f"who must act {meaning.actor.value}"):
        assert part in text


def test_what_is_known_of_no_advisory_is_not_made_up() -> None:
    assert "does not describe it" in advisory_meaning("INTEL-SA-99999").title
    assert advisory_url("INTEL-DOC-00123") is None
    assert advisory_url("<script>") is None
    assert parse_advisory_id("intel-sa-00615") == "INTEL-SA-00615"
    assert parse_advisory_id("INTEL-SA-615") is None


@pytest.mark.parametrize("name", ["OutOfDate", "outofdate", "INTEL-SA-00615", "intel-sa-01192", "tdx.policy.mrtd"])
def test_the_command_explains_it(run: Run, name: str) -> None:
    result = run("explain", name)
    assert result.exit_code == 0
    assert result.stdout.lower().startswith(f"{name.lower()}\n")


def test_without_a_name_all_are_listed(run: Run) -> None:
    text = run("explain").stdout
    assert [name for name in (*REGISTRY, *TCB_MEANINGS, *ADVISORIES) if f"  {name} " not in text] == []


def test_a_name_that_is_none_is_answered_with_the_nearest(run: Run) -> None:
    result = run("explain", "OutOfDat")
    assert result.exit_code == 2
    assert "Did you mean OutOfDate" in result.stderr
