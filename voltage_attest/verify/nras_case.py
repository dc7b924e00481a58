"""What the checks of an NRAS answer look at: its tokens, the key sets at hand, the pinned keys, and the time to judge at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from voltage_attest.collateral.jwks import MAX_KID_LENGTH, Jwk, JwkSet, parse_jwks
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.crypto.nras_keys import NrasKey, load_nras_key, why_nras_key_fails
from voltage_attest.errors import InputError
from voltage_attest.evidence.eat import DetachedEat, EatToken, parse_detached_eat
from voltage_attest.result import Finding, failed, undecided
from voltage_attest.verify.unreadable import Unreadable, given

__all__ = ["NrasCase", "NrasKeySets", "absent_nras_answer"]


@dataclass(frozen=True)
class NrasKeySets:
    """Key sets as JSON text, read once however many answers they are for; ``why_none`` says why there is none, if known."""

    documents: tuple[bytes, ...] = field(repr=False)
    why_none: str | None = None

    @cached_property
    def joined(self) -> JwkSet | Unreadable:
        """All key sets as one, or the finding that says why there is none. The same key may stand in several of them."""
        if not self.documents:
            why = self.why_none or "no key set (JWKS) of NRAS is at hand"
            return Unreadable(undecided(why, expected="the JWKS of NRAS from the days of the token", actual="absent"))
        keys: dict[str, Jwk] = {}
        foreign: frozenset[str] = frozenset()
        for document in self.documents:
            try:
                found = parse_jwks(document)
            except InputError as error:
                return _unreadable(error, "a key set of NRAS cannot be read")
            different = [kid for kid, key in found.keys.items() if keys.get(kid, key) != key]
            if different:
                return Unreadable(
                    failed(
                        expected="one key for each kid",
                        actual=f"two keys named {different[0]}",
                        reason="the key sets contradict each other, so neither can be relied on",
                    )
                )
            keys |= found.keys
            foreign |= found.foreign
        return JwkSet(keys, foreign)


@dataclass(frozen=True)
class NrasCase:
    """One answer of NRAS under judgement at ``at`` (UTC), read once per case.

    ``key_sets`` may be shared by the cases of one judgement. ``intermediates`` are the SHA-256 of the CA keys that a signing
    key must lead to (see :func:`~voltage_attest.trust.nvidia_nras.nras_intermediates`).

    ``nonce`` (32 bytes) is what was asked with, None where nobody knows it; ``ueids`` those of the devices of the same class
    that were verified locally, in decimal, None where none were. With ``judged_at_issue`` the answer is a signed copy kept
    beside the evidence: each token's window is judged at its own ``iat``, since it says what NRAS found then.
    """

    answer: NrasAnswer | Unreadable = field(repr=False)
    key_sets: NrasKeySets
    intermediates: frozenset[bytes]
    at: datetime
    nonce: bytes | None = None
    ueids: frozenset[str] | None = None
    judged_at_issue: bool = False

    @cached_property
    def eat(self) -> DetachedEat | Unreadable:
        """The answer's tokens, taken apart."""
        if isinstance(self.answer, Unreadable):
            return self.answer
        try:
            return parse_detached_eat(self.answer.body)
        except InputError as error:
            return _unreadable(error, "the answer of NRAS cannot be read")

    @property
    def tokens(self) -> tuple[EatToken, ...]:
        """All tokens, the overall one first; to be asked for only after ``nras.parse``."""
        return given(self.eat).tokens

    @property
    def key_set(self) -> JwkSet | Unreadable:
        """All key sets as one, or the finding that says why there is none."""
        return self.key_sets.joined

    @cached_property
    def keys(self) -> Mapping[str, NrasKey | Unreadable]:
        """The key that each token names, by kid, proven to be NRAS's; or the finding that says why it is not."""
        return {kid: self._key(kid) for kid in dict.fromkeys([key_id(token) for token in self.tokens])}

    def key_of(self, token: EatToken) -> NrasKey:
        """The proven key of that token; to be asked for only after ``nras.key``."""
        return given(self.keys[key_id(token)])

    def _key(self, kid: str) -> NrasKey | Unreadable:
        key_set = given(self.key_set)
        published = key_set.keys.get(kid)
        if published is None:
            return Unreadable(_no_key(kid, key_set))
        try:
            key = load_nras_key(published.x, published.y, published.x5c, f"key {kid}")
        except InputError as error:
            return _unreadable(error, "the certificates of a key of NRAS cannot be read")
        reason = why_nras_key_fails(key, self.intermediates)
        if reason is None:
            return key
        return Unreadable(
            failed(
                expected="a key certified by an intermediate CA of NRAS with one of these pinned keys: "
                + (", ".join(sorted(pin.hex() for pin in self.intermediates)) or "none"),
                actual=f"{kid}: {reason}",
                reason="the key is not proven to be the attestation service's",
            )
        )


def absent_nras_answer(why: str | None = None) -> Unreadable:
    """In place of an answer that could not be had: the judgement then ends undecided."""
    return Unreadable(undecided(why or "no answer of NRAS is at hand", expected="tokens signed by NRAS", actual="absent"))


def key_id(token: EatToken) -> str:
    """The name of the key that the token says it is signed with; to be asked for only after ``nras.header``."""
    return token.header.required("kid").as_text(MAX_KID_LENGTH)


def _no_key(kid: str, key_set: JwkSet) -> Finding:
    """A key of another type never signs with ES384; a key that is not listed may stand in a set of other days."""
    if kid in key_set.foreign:
        return failed(expected="a P-384 key", actual=f"{kid}: a key of another type", reason="no such key signs with ES384")
    return undecided(
        f"the key {kid} is in no JWKS at hand; NRAS lists a key for two days, so a set of those days is needed",
        expected=f"a JWKS with the key {kid}",
        actual=f"{len(key_set.keys)} other keys",
    )


def _unreadable(error: InputError, reason: str) -> Unreadable:
    return Unreadable(failed(expected=error.expected, actual=error.found, reason=reason))
