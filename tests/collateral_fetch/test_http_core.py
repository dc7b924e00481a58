"""What is decided about a request and its answer, without any I/O."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltage_attest.collateral.http_core import (
    Accept,
    Exchange,
    Failure,
    GiveUp,
    HttpAnswer,
    HttpRequest,
    Intake,
    Limits,
    RetryAfter,
    why_unusable_url,
)

URL = "https://api.example.org/v1/thing?nonce=5ec3e7"
KEY = "Bearer sk-5ec3e7"
REQUEST = HttpRequest(URL, "the thing", 64, ("application/json",), (("Authorization", KEY),))
JSON = ("Content-Type", "application/json")
TRANSIENT = Failure("answered 503", "Try again later.", transient=True, status=503)


def take(*headers: tuple[str, str], status: int = 200, body: bytes = b"{}", wall: float = 0.0) -> HttpAnswer | Failure:
    intake = Intake(REQUEST, status, headers, wall=wall)
    if intake.wants_more:
        intake.feed(body)
    return intake.finish(0.25)


def failure(*headers: tuple[str, str], status: int = 200, body: bytes = b"{}", wall: float = 0.0) -> Failure:
    outcome = take(*headers, status=status, body=body, wall=wall)
    assert isinstance(outcome, Failure)
    return outcome


def exchange(limits: Limits | None = None, *, deadline: float = 30.0, chance: float = 1.0) -> Exchange:
    return Exchange(REQUEST, limits or Limits(), deadline=deadline, now=100.0, draw=lambda: chance)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.org",
        "https://api.example.org:8443/v1?x=1",
        "http://127.0.0.1:9/x",
        "http://[::1]:9/x",
        "http://localhost/x",
    ],
)
def test_https_and_loopback_are_asked(url: str) -> None:
    assert why_unusable_url(url) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.example.org", "http, not https"),
        ("http://127.0.0.1.example.org", "http, not https"),
        ("http://10.0.0.1/x", "http, not https"),
        ("http://localhost.example.org", "http, not https"),
        ("ftp://api.example.org", "begin with https"),
        ("api.example.org/x", "begin with https"),
        ("file:///etc/passwd", "begin with https"),
        ("https:///x", "names no host"),
        ("https://user:word@api.example.org", "password"),
        ("https://@api.example.org", "password"),
        ("https://api.example.org/#x", "fragment"),
        ("https://api.example.org:99999/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://api.example.org/a b", "spaces"),
        ("https://api.example.org/\r\nHost: x", "spaces"),
        ("https://exämple.org/", "non-ASCII"),
        ("", "spaces"),
    ],
)
def test_other_addresses_are_not_asked_and_the_reason_is_said(url: str, why: str) -> None:
    assert why in (why_unusable_url(url) or "")
    with pytest.raises(ValueError, match="the thing: the address cannot be used"):
        HttpRequest(url, "the thing", 1)


@pytest.mark.parametrize("value", [f"{KEY}\n", f"{KEY}\r\nX: y", f" {KEY}", f"{KEY}\0", f"{KEY}ü", ""])
def test_a_header_that_cannot_be_sent_is_refused_without_showing_its_value(value: str) -> None:
    with pytest.raises(ValueError, match="the header Authorization cannot be sent") as caught:
        HttpRequest(URL, "the thing", 1, (), (("Authorization", value),))
    assert "5ec3e7" not in str(caught.value)


def test_neither_request_nor_answer_shows_headers_or_body() -> None:
    answer = HttpAnswer(200, {"set-cookie": "5ec3e7"}, b"5ec3e7")
    assert KEY not in repr(REQUEST)
    assert "5ec3e7" not in repr(answer)


def test_the_place_is_the_address_without_its_query() -> None:
    assert REQUEST.place == "https://api.example.org/v1/thing"


def test_a_good_answer_is_taken_and_its_headers_found_in_any_case() -> None:
    answer = take(JSON, ("X-Chain", "a"), ("x-chain", "b"), body=b'{"a": 1}')
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.body, answer.elapsed) == (200, b'{"a": 1}', 0.25)
    assert answer.header("X-CHAIN") == "a, b"
    assert answer.header("absent") is None


@pytest.mark.parametrize("value", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x"])
def test_parameters_and_case_of_the_content_type_do_not_matter(value: str) -> None:
    assert isinstance(take(("Content-Type", value)), HttpAnswer)


def test_a_body_may_have_exactly_as_many_bytes_as_allowed() -> None:
    assert isinstance(take(JSON, body=bytes(64)), HttpAnswer)


@pytest.mark.parametrize("declared", ["2", "65", "999999999", "-1", "no number"])
def test_a_larger_body_is_refused_whatever_its_content_length_says(declared: str) -> None:
    intake = Intake(REQUEST, 200, [JSON, ("Content-Length", declared)], wall=0.0)
    assert intake.feed(bytes(40))
    assert not intake.feed(bytes(25))
    outcome = intake.finish(0.0)
    assert isinstance(outcome, Failure)
    assert outcome.refused
    assert not outcome.transient
    assert "more than 64 bytes" in outcome.happened


def test_a_body_shorter_than_declared_was_cut_off_and_may_be_tried_again() -> None:
    outcome = failure(JSON, ("Content-Length", "40"))
    assert outcome.transient
    assert not outcome.refused
    assert "breaks off" in outcome.happened


def test_an_empty_body_may_be_tried_again() -> None:
    assert failure(JSON, body=b"").transient


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ([("Content-Type", "text/html; charset=utf-8")], b"<p>", "HTML page instead of JSON"),
        ([("Content-Type", "application/xhtml+xml")], b"<p>", "HTML page instead of JSON"),
        ([JSON], b"  <!DOCTYPE html><title>", "HTML page instead of JSON"),
        ([JSON], b"<HTML>", "HTML page instead of JSON"),
        ([("Content-Type", "text/plain")], b"{}", "of type text/plain; expected application/json"),
        ([("Content-Type", KEY)], b"{}", "that is no media type"),
        ([], b"{}", "without a content type"),
        ([JSON, ("Content-Encoding", "gzip")], b"\x1f\x8b", "compressed"),
    ],
)
def test_content_of_the_wrong_kind_is_refused_in_words(headers: list[tuple[str, str]], body: bytes, words: str) -> None:
    outcome = failure(*headers, body=body)
    assert words in outcome.happened
    assert outcome.refused
    assert not outcome.transient
    assert "5ec3e7" not in outcome.happened


def test_any_content_type_will_do_where_none_is_asked_for() -> None:
    intake = Intake(HttpRequest(URL, "the thing", 9), 200, [], wall=0.0)
    intake.feed(b"0")
    assert isinstance(intake.finish(0.0), HttpAnswer)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_refused_and_its_target_not_shown(status: int) -> None:
    outcome = failure(("Location", "https://elsewhere.example/5ec3e7"), status=status)
    assert outcome.refused
    assert "redirect" in outcome.happened
    assert "elsewhere" not in outcome.happened + outcome.remedy


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 408, 410, 418, 451])
def test_an_error_of_ours_is_not_tried_again(status: int) -> None:
    outcome = failure(status=status)
    assert (outcome.transient, outcome.refused, outcome.status) == (False, False, status)


@pytest.mark.parametrize("status", [429, 500, 501, 502, 503, 504, 599])
def test_an_error_of_theirs_is_tried_again(status: int) -> None:
    outcome = failure(status=status)
    assert (outcome.transient, outcome.refused, outcome.status) == (True, False, status)


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_success_other_than_200_is_not_what_was_asked_for(status: int) -> None:
    assert failure(JSON, status=status).refused


def test_no_body_is_read_of_an_answer_that_is_no_use() -> None:
    assert not Intake(REQUEST, 503, [JSON], wall=0.0).wants_more
    assert not Intake(REQUEST, 200, [("Content-Type", "text/html")], wall=0.0).wants_more


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Retry-After", "7")], 7.0),
        ([("Retry-After", " 0 ")], 0.0),
        ([("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), ("Date", "Fri, 31 Dec 1999 23:59:29 GMT")], 30.0),
        ([("Retry-After", "Fri, 31 Dec 1999 23:59:29 GMT"), ("Date", "Fri, 31 Dec 1999 23:59:59 GMT")], 0.0),
        ([("Retry-After", "Thu, 01 Jan 1970 00:01:00 GMT")], 50.0),
        ([("Retry-After", "-3")], None),
        ([("Retry-After", "soon")], None),
        ([("Retry-After", "9" * 40)], None),
        ([("Retry-After", "Fri, 99 Dec 1999 99:59:59 GMT")], None),
        ([], None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert failure(*headers, status=429, wall=10.0).retry_after == seconds


def test_waits_double_up_to_a_ceiling_and_are_drawn_from_zero_to_there() -> None:
    limits = Limits(attempts=6, backoff=1.0, longest_backoff=4.0)
    for chance, expected in ((1.0, [1.0, 2.0, 4.0, 4.0, 4.0]), (0.5, [0.5, 1.0, 2.0, 2.0, 2.0]), (0.0, [0.0] * 5)):
        trial = exchange(limits, chance=chance)
        assert [trial.decide(TRANSIENT, 100.0) for _ in range(5)] == [RetryAfter(wait) for wait in expected]
        assert isinstance(trial.decide(TRANSIENT, 100.0), GiveUp)


def test_retry_after_is_waited_for_where_it_is_longer_than_the_own_wait() -> None:
    patient = Failure("answered 429", "Wait.", transient=True, status=429, retry_after=12.0)
    assert exchange().decide(patient, 100.0) == RetryAfter(12.0)
    hasty = Failure("answered 429", "Wait.", transient=True, status=429, retry_after=0.0)
    assert exchange().decide(hasty, 100.0) == RetryAfter(0.5)


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    patient = Failure("answered 429", "Wait.", transient=True, status=429, retry_after=3600.0)
    decision = exchange().decide(patient, 100.0)
    assert isinstance(decision, GiveUp)
    assert decision.error.retry_after == 3600.0
    assert "asks to wait 3600 s" in str(decision.error)
    assert "30 s allowed" in str(decision.error)


def test_attempts_end_with_the_total_deadline() -> None:
    trial = exchange(Limits(attempts=99, backoff=4.0, longest_backoff=4.0), deadline=10.0)
    assert trial.decide(TRANSIENT, 101.0) == RetryAfter(4.0)
    assert trial.time_left(105.0) == 5.0
    assert isinstance(trial.decide(TRANSIENT, 107.0), GiveUp)


def test_time_outs_of_an_attempt_shrink_with_the_time_left() -> None:
    trial = exchange(Limits(connect=5.0, read=15.0), deadline=20.0)
    assert trial.timeouts(100.0) == (5.0, 15.0)
    assert trial.timeouts(117.0) == (3.0, 3.0)
    assert trial.timeouts(500.0) == (0.001, 0.001)


def test_the_error_says_what_was_wanted_where_what_happened_and_what_to_do() -> None:
    decision = exchange().decide(failure(status=404), 100.0)
    assert isinstance(decision, GiveUp)
    text = str(decision.error)
    assert text.startswith("the thing: https://api.example.org/v1/thing answered 404")
    assert text.endswith(".")
    assert decision.error.status == 404
    assert "5ec3e7" not in text


def test_an_answer_is_accepted_at_once() -> None:
    answer = HttpAnswer(200, {}, b"{}")
    assert exchange().decide(answer, 100.0) == Accept(answer)


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_never_is_more_kept_than_allowed(chunks: list[bytes]) -> None:
    intake = Intake(REQUEST, 200, [JSON], wall=0.0)
    for chunk in chunks:
        if not intake.feed(chunk):
            break
    outcome = intake.finish(0.0)
    assert isinstance(outcome, Failure) or len(outcome.body) <= REQUEST.max_bytes


@given(
    st.integers(100, 599), st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=6), st.binary(max_size=80)
)
def test_whatever_comes_is_an_answer_or_a_failure(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    intake = Intake(REQUEST, status, headers, wall=0.0)
    if intake.wants_more:
        intake.feed(body)
    assert isinstance(intake.finish(0.0), HttpAnswer | Failure)
