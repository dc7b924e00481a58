"""Cases of what NVIDIA's attestation service says of the devices, beside a GPU that verifies by itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.cases.devices import GPU, NONCE, OTHER_NVIDIA, answered, device_case, group, pair
from tests.cases.model import NVIDIA, Case, case, case_family
from voltage_attest.collateral.nvidia import NrasAnswer
from voltage_attest.testing import NVIDIA_ISSUED_AT, NvidiaSigner, TokenFields
from voltage_attest.testing.nvidia.nras import jwks_of, nras_leaf_fields, sign_jwt

_NRAS: Final = "nras[0]"
_JWKS: Final = NVIDIA.jwks().encode()
_KEYS: Final = {"nras": '"require"'}

Tokens = dict[str, str]


def _told(answer: str, jwks: bytes = _JWKS) -> Case:
    """The pair of GPUs with that answer beside them, which the policy requires."""
    nvidia = replace(answered(pair()), nras=(NrasAnswer(answer.encode()),), jwks=(jwks,))
    return device_case(pair(), keys=_KEYS, nvidia=nvidia)


def _refused(check_id: str, subject: Case) -> Case:
    return replace(subject, failed=frozenset({check_id}), on=frozenset({_NRAS}))


def _token(fields: TokenFields | None = None, *, nonce: bytes = NONCE, signer: NvidiaSigner | None = None) -> str:
    return NVIDIA.token(pair(), nonce, fields, signer=signer)


def _resent(change: Callable[[str, Tokens], tuple[str, Tokens]]) -> str:
    """The good answer with its tokens changed: the overall one, and those of the devices by name."""
    (_, overall), tokens = json.loads(_token())
    overall, tokens = change(overall, tokens)
    return json.dumps([["JWT", overall], tokens])


@case
def gpus_that_nras_vouches_for() -> Case:
    """The service's answer agrees with what was verified here: verified."""
    return _told(_token())


@case
def group_that_nras_vouches_for() -> Case:
    """Two answers, one of the GPUs and one of the switches: verified."""
    node = group()
    answers = tuple([NrasAnswer(NVIDIA.token(part, NONCE).encode()) for part in (node.gpus, node.switches)])
    nvidia = replace(answered(node.devices), nras=answers, jwks=(_JWKS,))
    return device_case(node.gpus, node.switches, keys=_KEYS, nvidia=nvidia)


@case
def nras_not_asked_and_not_required() -> Case:
    """The policy accepts an answer and there is none: verified, its rows are skipped."""
    return device_case(pair(), keys={"nras": '"accept"'})


@case
def nras_required_and_silent() -> Case:
    """The policy requires an answer and there is none: undecided."""
    nvidia = replace(answered(pair()), jwks=(_JWKS,), absences=(("nras", "the service answered 503"),))
    subject = device_case(pair(), keys=_KEYS, nvidia=nvidia)
    return replace(subject, errors=frozenset({"nras.parse"}), on=frozenset({_NRAS}))


@case
def nras_answer_malformed() -> Case:
    """The answer is cut."""
    return _refused("nras.parse", _told(_token()[:-1]))


@case_family("none", "HS256", "ES256")
def nras_token_of_another_algorithm(algorithm: str) -> Case:
    """The overall token asks to be read by another algorithm."""

    def relabel(overall: str, tokens: Tokens) -> tuple[str, Tokens]:
        claims = json.loads(_claims(overall))
        return sign_jwt(claims, NVIDIA.nras_signer, header={"alg": algorithm}), tokens

    return _refused("nras.header", _told(_resent(relabel)))


@case
def nras_keys_with_a_name_twice() -> Case:
    """Two keys of one name: neither can be relied on."""
    keys = json.loads(_JWKS)["keys"]
    return _refused("nras.jwks", _told(_token(), json.dumps({"keys": keys * 2}).encode()))


@case
def nras_key_in_no_set() -> Case:
    """The key of the tokens is in no set at hand: undecided."""
    subject = _told(_token(), json.dumps({"keys": []}).encode())
    return replace(subject, errors=frozenset({"nras.key"}), on=frozenset({_NRAS}))


@case
def nras_of_a_look_alike() -> Case:
    """Another service's tokens and keys, equal in every name; its intermediate is not pinned."""
    answer = OTHER_NVIDIA.token(pair(), NONCE)
    return _refused("nras.key", _told(answer, OTHER_NVIDIA.jwks().encode()))


@case_family("overall", "device")
def nras_token_signed_by_somebody_else(which: str) -> Case:
    """A token names NVIDIA's key and is signed by another; of a device's, the digest in the overall token is still right."""

    def resign(overall: str, tokens: Tokens) -> tuple[str, Tokens]:
        return _spoiled(overall), tokens

    if which == "overall":
        return _refused("nras.token", _told(_resent(resign)))
    return _refused("nras.token", _told(_resent(_one_spoiled)))


def _one_spoiled(overall: str, tokens: Tokens) -> tuple[str, Tokens]:
    return overall, tokens | {"GPU-1": _spoiled(tokens["GPU-1"])}


def _spoiled(token: str) -> str:
    """The token under the first bytes of another signature."""
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{signature[:-8]}{'AAAA' if signature[-8:-4] != 'AAAA' else 'BBBB'}{signature[-4:]}"


def _claims(token: str) -> bytes:
    payload = token.split(".")[1]
    return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))


@case
def nras_key_not_yet_certified() -> Case:
    """The key was certified after the tokens say that they were issued."""
    signer = NVIDIA.nras_intermediate.issue(nras_leaf_fields(NVIDIA_ISSUED_AT + timedelta(days=1)))
    return _refused("nras.key_validity", _told(_token(signer=signer), jwks_of(signer).encode()))


@case
def nras_of_the_staging_service() -> Case:
    """The staging service signs the same claims."""
    return _refused("nras.issuer", _told(_token(TokenFields(issuer="https://nras.attestation-stg.nvidia.com"))))


@case_family("live", "kept")
def nras_tokens_expired(how: str) -> Case:
    """Tokens of a living attestation that are over; or of a kept one that were over when they were issued."""
    if how == "live":
        fields = TokenFields(issued_at=NVIDIA_ISSUED_AT - timedelta(minutes=31))
        return replace(_refused("nras.validity", _told(_token(fields))), fresh=True)
    return _refused("nras.validity", _told(_token(TokenFields(life=timedelta()))))


@case
def nras_answer_to_another_question() -> Case:
    """The tokens carry another nonce than the reports."""
    return _refused("nras.nonce", _told(_token(nonce=bytes(32))))


@case_family("missing", "added", "exchanged")
def nras_tokens_not_the_named(how: str) -> Case:
    """The device tokens are not those that the overall token names; each by itself is NVIDIA's."""
    if how == "missing":
        # Its device is then missing among those judged, too.
        subject = _told(_resent(lambda overall, tokens: (overall, {"GPU-0": tokens["GPU-0"]})))
        return replace(subject, failed=frozenset({"nras.submods", "nras.ueids"}), on=frozenset({_NRAS}))
    if how == "added":
        third = json.loads(NVIDIA.token([GPU], NONCE))[1]["GPU-0"]
        subject = _told(_resent(lambda overall, tokens: (overall, tokens | {"GPU-2": third})))
        return replace(subject, failed=frozenset({"nras.submods", "nras.ueids"}), on=frozenset({_NRAS}))
    swap = _resent(lambda overall, tokens: (overall, {"GPU-0": tokens["GPU-1"], "GPU-1": tokens["GPU-0"]}))
    return _refused("nras.submods", _told(swap))


@case_family("false", "text", "one", "null")
def nras_result_not_true(value: str) -> Case:
    """The overall result is anything but true."""
    values: dict[str, bool | str | int | None] = {"false": False, "text": "true", "one": 1, "null": None}
    found = values[value]
    return _refused("nras.result", _told(_token(TokenFields(overall={"x-nvidia-overall-att-result": found}))))


@case
def nras_claims_of_another_version() -> Case:
    """Claims of a version that nobody here knows."""
    return _refused("nras.claims_version", _told(_token(TokenFields(overall={"x-nvidia-ver": "5.0"}))))


@case
def nras_refuses_a_device() -> Case:
    """The service found the measurements of the second GPU wrong, and its overall result says otherwise."""
    return _refused("nras.devices", _told(_token(TokenFields(claims={"GPU-1": {"measres": "fail"}}))))


@case
def nras_signed_an_error() -> Case:
    """In place of claims the service signed that the nonce does not match: the overall result is false, too."""
    subject = _told(_token(TokenFields(errors={"GPU-1": 4010})))
    return replace(subject, failed=frozenset({"nras.devices", "nras.result"}), on=frozenset({_NRAS}))


@case
def nras_judged_another_device() -> Case:
    """The service vouches for a GPU that is not among those verified here."""
    return _refused("nras.ueids", _told(NVIDIA.token([pair()[0], GPU], NONCE)))


@case
def nras_judged_fewer_devices() -> Case:
    """The service was shown one GPU of two."""
    return _refused("nras.ueids", _told(NVIDIA.token(pair()[:1], NONCE)))
