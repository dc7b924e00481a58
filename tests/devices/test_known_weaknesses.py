"""What other verifiers of GPUs are known to have missed, and the tests that show it is refused here: none may get lost."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Final

import pytest

from tests.cases.all_cases import CASES
from tests.support.real_evidence import REPOSITORY

RIM: Final = "rim/test_xml_signature.py::test_refuses"
OCSP: Final = "revocation/test_revocation.py::test_refuses_an_answer_and_names_the_certificate"
DEVICE: Final = "gpu/test_device.py::test_refuses"
NODE: Final = "gpu/test_node.py::test_refuses"
NRAS: Final = "nras/test_nras_checks.py::test_refuses"
CLAIMS: Final = "nras/test_nras_claims.py::test_refuses"
MANIFEST: Final = "devices/test_real_devices.py::test_a_wrong_manifest_under_the_right_id_is_refused_by_the_right_check"
REAL: Final = "devices/test_real_services.py::test"

WEAKNESSES: Final[dict[str, tuple[str, ...]]] = {
    "d1 content of a manifest read before or outside its signature": (
        f"{RIM}_a_second_signature",
        f"{RIM}_a_second_signature_hidden_deeper",
        f"{RIM}_a_signature_that_is_moved",
        f"{RIM}_a_root_wrapped_around_the_signed_one",
        f"{RIM}_a_signed_root_nested_in_the_signature",
        f"{RIM}_a_second_meta_or_payload",
        f"{RIM}_a_reference_to_something_else",
        f"{RIM}_what_stands_before_the_root",
        f"{RIM}_markup_other_than_elements_inside",
        "rim/test_rim_checks.py::test_content_is_never_given_before_its_signature_holds",
        "case: manifest_of_another_shape_doctype",
        "case: manifest_of_another_shape_second_signature",
        "case: manifest_of_another_shape_wrapped",
        "case: manifest_altered_after_signing_version",
    ),
    "d2 key confusion in XML signatures": (
        f"{RIM}_an_hmac_over_the_public_key",
        f"{RIM}_a_key_value_beside_the_certificates",
        f"{RIM}_a_key_value_in_place_of_the_certificates",
        f"{RIM}_another_key_than_the_one_it_was_signed_with",
        f"{RIM}_a_document_resigned_with_a_key_of_ones_own",
        f"{RIM}_other_signature_algorithms",
        "case: intermediate_of_manifests_out_of_place",
    ),
    "d3 manifests under another root, of another family or version": (
        "rim/test_real_rims.py::test_a_manifest_under_the_debug_root_is_refused_by_its_chain_alone",
        f"{MANIFEST}[debug root]",
        f"{MANIFEST}[another driver's]",
        "case: manifest_signed_by_a_look_alike",
        "case: manifest_of_another_driver_product",
        "case: manifest_of_another_driver_version",
        "case: manifest_of_another_vbios",
    ),
    "d4 OCSP answers about another certificate, stale, or by anybody": (
        f"{OCSP}[about another serial number]",
        f"{OCSP}[about another issuer's]",
        f"{OCSP}[stale]",
        f"{OCSP}[stale without nextUpdate]",
        f"{OCSP}[responder without EKU]",
        f"{OCSP}[another nonce]",
        f"{OCSP}[no nonce]",
        "revocation/test_revocation.py::test_an_unsigned_refusal_is_no_answer",
        "case: provisioner_not_good_stale",
        "case: manifests_signer_not_good_stale",
    ),
    "d5 hold accepted in chains that it was not allowed for": (
        "revocation/test_revocation.py::test_hold_is_accepted_only_in_the_chains_that_the_policy_names",
        "revocation/test_revocation.py::test_accepting_hold_accepts_no_other_reason",
        "case: provisioner_not_good_hold",
        "case: manifests_signer_not_good_hold",
    ),
    "d6 firmware identity never compared": (
        f"{DEVICE}[d6_another_fwid]",
        "gpu/test_device.py::test_the_last_48_bytes_are_not_blackwells_fwid",
        "case: firmware_not_the_certified_another",
    ),
    "d7 an index left out at the report's own word (NVDEC0)": (
        "rim/test_rim_checks.py::test_index_35_is_compared_whatever_the_engines_state",
        "case: gpu_measured_otherwise_nvdec0",
    ),
    "d8 one device's evidence given for several": (
        f"{NODE}[d8_eight_copies_of_one_gpu]",
        f"{NODE}[d8_four_copies_of_one_switch]",
        f"{NODE}[d8_one_pdi_under_two_leaves]",
        f"{CLAIMS}_one_device_shown_twice",
        "case: one_gpu_shown_twice",
    ),
    "d9 nonce taken from beside the report, from the responder, or from a sample": (
        "appraise/test_gpu_binding.py::test_refuses[d9_the_static_nonce_of_nvidias_samples]",
        "appraise/test_gpu_binding.py::test_refuses[d9_the_expected_nonce_is_the_responders]",
        "appraise/test_gpu_binding.py::test_d9_the_nonce_beside_the_report_counts_for_nothing",
        "appraise/test_gpu_binding.py::test_d9_refuses_to_expect_a_nonce_of_another_length",
        f"{NODE}[d9_one_gpu_with_another_nonce]",
        "case: gpus_of_two_requests",
        "case: gpus_of_another_request_voltage-attest/1",
        "case: gpus_bound_by_another_rule_verifiers_nonce",
    ),
    "d10 tokens believed without key, issuer, window, nonce, digests or set": (
        f"{NRAS}_every_algorithm_but_es384",
        f"{NRAS}_an_unsigned_token",
        f"{NRAS}_the_public_key_used_as_a_shared_secret",
        f"{NRAS}_a_kid_that_occurs_twice",
        f"{NRAS}_an_intermediate_that_is_not_pinned_and_names_its_key",
        f"{CLAIMS}_every_issuer_but_the_production_service",
        f"{CLAIMS}_an_expired_token_to_the_second",
        f"{CLAIMS}_the_answer_to_another_question",
        f"{CLAIMS}_a_missing_device_token",
        f"{CLAIMS}_every_result_but_true",
        f"{REAL}_d10_a_forged_token_of_the_vendors_is_refused[re-signed]",
        f"{REAL}_d10_a_forged_token_of_the_vendors_is_refused[HS256]",
        f"{REAL}_d10_a_forged_token_of_the_vendors_is_refused[alg none]",
        f"{REAL}_d10_a_key_that_is_named_twice_is_refused",
        f"{REAL}_d10_another_published_key_under_the_name_is_refused",
        f"{REAL}_d10_an_attackers_key_under_nvidias_certificates_is_refused",
        f"{REAL}_d10_a_token_of_the_staging_service_is_refused_even_if_its_key_is_pinned",
        "case: nras_result_not_true_text",
        "case: nras_tokens_not_the_named_exchanged",
    ),
    "d11 chain games": (
        f"{DEVICE}[d11_four_certificates]",
        f"{DEVICE}[d11_another_root_key]",
        f"{DEVICE}[d11_leaf_that_is_a_ca]",
        f"{DEVICE}[d11_expired_family]",
        f"{DEVICE}[d11_hopper_label_on_blackwell]",
        f"{DEVICE}[d11_switch_given_as_gpu]",
        "devices/test_real_devices.py::test_a_real_switch_is_no_gpu",
        "case: chain_without_its_root",
        "case: gpu_of_a_look_alike",
        "case: provisioner_out_of_date_expired",
        "case: gpu_labelled_as_blackwell",
    ),
    "d12 absent firmware identity, unknown or doubled records, trailing bytes": (
        f"{DEVICE}[d12_no_fwid_from_driver_590]",
        f"{DEVICE}[d12_a_record_twice]",
        f"{DEVICE}[d12_trailing_byte]",
        "gpu/test_device.py::test_d12_versioned_opaque_data_without_fwid_is_never_excused",
        "gpu/test_report.py::test_an_unknown_record_is_kept_by_its_number_in_both_layouts",
        "case: report_with_a_trailing_byte",
        "case: firmware_not_the_certified_none",
    ),
    "d13 modes, protected PCIe, old drivers, manifests on hold": (
        f"{DEVICE}[d13_mode_and_status_that_disagree]",
        f"{DEVICE}[d13_older_driver]",
        f"{NODE}[d13_one_gpu_in_another_mode]",
        f"{NODE}[d13_protected_pcie_off_everywhere]",
        f"{NODE}[d13_a_switch_is_not_locked]",
        "case: mode_not_allowed_another",
        "case: gpu_not_the_pinned_min_driver",
        "case: group_without_protected_pcie",
        "case: manifests_signer_not_good_hold",
    ),
    "d14 splicing and relay": (
        f"{DEVICE}[d14_report_signed_by_another_device]",
        "gpu/test_device.py::test_d14_what_no_report_can_prove_is_said",
        "devices/test_real_services.py::test_d14_gpus_of_another_providers_node_are_told_apart_by_tokens_and_nonce",
        "devices/test_real_services.py::test_d14_one_gpu_of_another_node_is_one_too_many",
        "case: device_of_another_machine_switch",
        "case: device_of_another_machine_gpu",
        "case: gpu_not_the_pinned_ueids",
    ),
    "d15 a mismatch that does not say which index of which manifest": (
        "rim/test_rim_checks.py::test_a_mismatch_names_index_manifest_and_both_values",
        "rim/test_rim_checks.py::test_many_mismatches_are_all_named_and_four_shown",
        "case: gpu_measured_otherwise_driver",
    ),
}
"""Weakness to tests below ``tests/``, with the name of the example where one test has many; and to cases by their id."""


@cache
def module(path: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a test module's functions, and all its texts."""
    nodes = list(ast.walk(ast.parse((REPOSITORY / "tests" / path).read_text("utf-8"))))
    functions = frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))
    texts = frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return functions, texts


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_every_known_weakness_has_its_negative_tests(weakness: str) -> None:
    for name in WEAKNESSES[weakness]:
        if name.startswith("case: "):
            assert name.removeprefix("case: ") in CASES
            continue
        found = re.fullmatch(r"([^:]+)::(\w+)(?:\[([^]]+)\])?", name)
        assert found is not None, name
        functions, texts = module(found[1])
        assert found[2] in functions, name
        assert found[3] is None or found[3] in texts, name


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_every_known_weakness_is_refused_by_the_whole_verifier(weakness: str) -> None:
    """At least one of its cases goes through everything; ``tests/test_every_check_fails_alone.py`` runs them."""
    cases = [CASES[name.removeprefix("case: ")]() for name in WEAKNESSES[weakness] if name.startswith("case: ")]
    assert cases
    assert {case.verdict for case in cases} == {"refused"}


def test_all_fifteen_are_there() -> None:
    assert [name.split()[0] for name in WEAKNESSES] == [f"d{number}" for number in range(1, 16)]
