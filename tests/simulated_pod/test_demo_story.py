"""The demo happens as it is told, and would say so if it did not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from voltage_attest.checks import REGISTRY
from voltage_attest.cli.demo import demo
from voltage_attest.cli.exits import Exit
from voltage_attest.testing import ANSWER, Fault, demo_story
from voltage_attest.testing.demo_story import Mark, Scene, tell_story
from voltage_attest.testing.tls import client_context


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(tell_story())


def test_everything_happens_as_told(scenes: list[Scene]) -> None:
    assert [scene.heading for scene in scenes if not scene.as_told] == []


def test_it_begins_and_ends_by_saying_that_it_is_a_simulation(scenes: list[Scene]) -> None:
    assert scenes[0].prose.startswith("SIMULATED ROOTS")
    assert "simulated" in scenes[-1].prose


def test_one_note_is_sent_and_answered(scenes: list[Scene]) -> None:
    (sent,) = (scene for scene in scenes if scene.mark is Mark.SENT)
    facts = dict(sent.facts)
    assert facts["key in quote"] == facts["key met"]
    assert facts["answer"] == ANSWER


def test_six_attacks_are_refused_each_by_its_check(scenes: list[Scene]) -> None:
    refused = [dict(scene.facts) for scene in scenes if scene.mark is Mark.REFUSED]
    assert len(refused) == 6
    for facts in refused[:5]:
        assert set(facts["stopped by"].split(", ")) <= set(REGISTRY)
        assert facts["notes sent"] == "0"
    assert refused[5]["twin got"] == "1 handshake, 0 bytes of data"


def test_pinned_policy_is_shown(scenes: list[Scene]) -> None:
    (pinned,) = (scene for scene in scenes if scene.file)
    assert "[tdx]" in pinned.file
    assert 'binding = "voltage-attest/1"' in pinned.file
    assert all(len(line) < 60 for line in pinned.file)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(threading.enumerate())
    story = tell_story()
    for _ in range(6):
        next(story)
    story.close()  # type: ignore[attr-defined]
    left = set(threading.enumerate()) - before  # threads of earlier tests may end meanwhile: those are not ours
    for thread in left:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in left)
    assert list(tmp_path.iterdir()) == []


def test_an_attack_that_no_check_stops_is_not_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    unnoticed = replace(demo_story._ATTACKS[0], fault=Fault.TRUNCATED_STREAM)
    monkeypatch.setattr(demo_story, "_ATTACKS", (unnoticed, *demo_story._ATTACKS[1:]))
    (failed,) = (scene for scene in tell_story() if not scene.as_told)
    assert dict(failed.facts)["notes sent"] == "1"


def test_without_the_pin_the_twin_gets_the_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "_pinned_context", lambda ca_pem, _: client_context(ca_pem))
    (failed,) = (scene for scene in tell_story() if not scene.as_told)
    assert failed.heading.endswith("The twin")


def test_command_prints_the_story(scenes: list[Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_story, "tell_story", lambda: iter(scenes))
    ran = CliRunner().invoke(demo, standalone_mode=False)
    assert ran.return_value is Exit.VERIFIED
    assert [line for line in ran.output.splitlines() if len(line) > 100] == []
    assert "\x1b" not in ran.output
    for scene in scenes:
        assert scene.heading in ran.output
    assert ran.output.count("  REFUSED\n") == 6


def test_command_fails_if_the_story_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_story() -> Iterator[Scene]:
        yield Scene(heading="Attack", prose="It got through.", mark=Mark.REFUSED, as_told=False)

    monkeypatch.setattr(demo_story, "tell_story", wrong_story)
    ran = CliRunner().invoke(demo, standalone_mode=False)
    assert ran.return_value is Exit.BUG
    assert "NOT AS TOLD" in ran.output
    assert "report" in ran.stderr
