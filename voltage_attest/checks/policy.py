"""Checks of appraisal: is this genuine evidence what the policy wants?"""

from __future__ import annotations

from voltage_attest.checks.model import Actor, Check
from voltage_attest.checks.tdx import AUTHENTIC_QUOTE

__all__ = ["PINNED_FIELDS", "POLICY_CHECKS"]

_TDX_MODULE = "Intel TDX Module ABI specification, TD attributes"
_REPORT = "Intel TDX Module ABI specification, TDREPORT_STRUCT"

_TD = (
    Check(
        "tdx.td.debug",
        "The TD does not run in debug mode",
        "TDATTRIBUTES.DEBUG (bit 0) is clear: the host cannot read or write the TD's memory and registers.",
        "That the software inside is debug-free.",
        f"{_TDX_MODULE}, DEBUG",
        "Do not send anything: the operator can read this TD's memory. The provider must start it without debug.",
        Actor.PROVIDER,
        AUTHENTIC_QUOTE,
    ),
    Check(
        "tdx.td.attributes",
        "Reserved TD attributes are zero",
        "No reserved bit of TDATTRIBUTES is set (1 to 27, 29, 32 to 62), so no unknown feature weakens the TD.",
        "What PKS, KL or PERFMON are used for: pin td_attributes to fix them.",
        f"{_TDX_MODULE}; go-tdx-guest validate.go",
        "Ask the provider what sets this bit, and update voltage-attest if Intel has given it a meaning. For SERVTD_EXT "
        "(bit 17) of TD report 1.5ex alone, pin td_attributes to the exact value.",
        Actor.YOU,
        AUTHENTIC_QUOTE,
    ),
    Check(
        "tdx.td.sept_ve_disable",
        "EPT violations on private memory cannot be injected",
        "TDATTRIBUTES.SEPT_VE_DISABLE (bit 28) is set, so the host cannot raise #VE by removing pages.",
        "Other properties of the guest kernel.",
        f"{_TDX_MODULE}, SEPT_VE_DISABLE",
        "The provider must start the TD with sept-ve-disable=on. To accept it anyway: unsafe_allow_sept_ve in [tdx].",
        Actor.PROVIDER,
        AUTHENTIC_QUOTE,
    ),
    Check(
        "tdx.td.xfam",
        "Extended features are a known combination",
        "XFAM has x87 and SSE set (0x3) and no bit outside 0x6DBE7.",
        "Which of the allowed features the software uses.",
        "Intel TDX Module base specification, XFAM; go-tdx-guest validate.go",
        "Update voltage-attest if Intel has added a feature; otherwise ask the provider.",
        Actor.PROVIDER,
        AUTHENTIC_QUOTE,
    ),
    Check(
        "tdx.td.service_td",
        "No service TD is bound to this TD",
        "MRSERVICETD and the service-TD fields of TD report 1.5ex are zero, or MRSERVICETD is pinned: nobody can migrate it.",
        "What a pinned service TD does.",
        f"{_REPORT}, SERVTD_HASH",
        "Ask the provider why a service (migration) TD is bound; pin mr_service_td once you trust that one.",
        Actor.PROVIDER,
        AUTHENTIC_QUOTE,
    ),
)

PINNED_FIELDS: tuple[tuple[str, str, str, int], ...] = (
    ("mrtd", "MRTD (initial memory of the TD: the virtual firmware)", "td_report", 48),
    ("rtmr0", "RTMR0 (firmware configuration)", "td_report", 48),
    ("rtmr1", "RTMR1 (boot loader and kernel)", "td_report", 48),
    ("rtmr2", "RTMR2 (kernel command line and initrd)", "td_report", 48),
    ("rtmr3", "RTMR3 (what the guest extends at run time)", "td_report", 48),
    ("mr_seam", "MRSEAM (the TDX module)", "td_report", 48),
    ("mr_signer_seam", "MRSIGNERSEAM (the TDX module's signer)", "td_report", 48),
    ("seam_attributes", "SEAMATTRIBUTES", "td_report", 8),
    ("td_attributes", "TDATTRIBUTES", "td_report", 8),
    ("xfam", "XFAM", "td_report", 8),
    ("mr_config_id", "MRCONFIGID", "td_report", 48),
    ("mr_owner", "MROWNER", "td_report", 48),
    ("mr_owner_config", "MROWNERCONFIG", "td_report", 48),
    ("mr_service_td", "MRSERVICETD", "td_report", 48),
    ("report_data", "REPORTDATA", "td_report", 64),
    ("fmspc", "FMSPC (the platform family)", "pck", 6),
    ("ppid", "PPID (the one processor package)", "pck", 16),
    ("platform_instance_id", "the platform instance id", "pck", 16),
)
"""Fields a policy can pin: key, name, where the value comes from (TD report or PCK extension), length in bytes."""


def _pin(key: str, name: str, source: str) -> Check:
    where = "the TD report" if source == "td_report" else "the PCK certificate's SGX extension"
    return Check(
        f"tdx.policy.{key}",
        f"{name[0].upper()}{name[1:]} is a pinned value",
        f"{key} of {where} equals one of the values in the policy.",
        "What the value stands for: that is decided when it is pinned.",
        _REPORT if source == "td_report" else "Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5",
        "If the provider announced a new version, compare the value with the publisher's, review, and add it to the policy. "
        "Otherwise do not use the pod.",
        Actor.YOU,
        AUTHENTIC_QUOTE,
    )


_TCB = (
    Check(
        "tdx.policy.tcb",
        "The converged TCB status is accepted",
        "The status is in tdx.tcb.accept, or an unexpired exception names it with every advisory.",
        "That no unknown weakness exists.",
        "Intel PCS API v4, tcbStatus",
        "The provider must update the platform. A reviewed, expiring [[tdx.tcb.exception]] accepts it for a time.",
        Actor.PROVIDER,
        (*AUTHENTIC_QUOTE, "tdx.tcb.converged"),
    ),
    Check(
        "tdx.policy.advisories",
        "No denied security advisory applies",
        "None of tdx.tcb.deny_advisories is among the advisories of platform, module and quoting enclave.",
        "That advisories outside the list are harmless.",
        "Intel PCS API v4, advisoryIDs",
        "The provider must apply the update that the advisory names.",
        Actor.PROVIDER,
        (*AUTHENTIC_QUOTE, "tdx.tcb.converged"),
    ),
    Check(
        "tdx.policy.tcb_evaluation",
        "TCB info and QE identity are recent enough",
        "The lower of both tcbEvaluationDataNumbers reaches tdx.tcb.min_tcb_evaluation_data_number: no roll-back.",
        "That no newer number exists.",
        "Intel PCS API v4, tcbEvaluationDataNumber",
        "Fetch newer collateral (update=early, or a fixed number), or lower the policy's minimum after review.",
        Actor.YOU,
        (*AUTHENTIC_QUOTE, "tdx.tcb.converged"),
    ),
    Check(
        "tdx.policy.collateral_age",
        "Intel's collateral is recent enough",
        "TCB info and QE identity were issued no longer ago than tdx.collateral.max_age.",
        "That nothing newer exists.",
        "Intel PCS API v4, issueDate",
        "Fetch collateral again: what is cached or given is older than the policy allows.",
        Actor.YOU,
        (*AUTHENTIC_QUOTE, "tdx.tcb.converged"),
    ),
    Check(
        "tdx.policy.tee_tcb_svn",
        "TEE_TCB_SVN reaches the policy's minimum",
        "Each of its 16 bytes is at least the byte of tdx.min_tee_tcb_svn.",
        "Intel's opinion of that TCB.",
        _REPORT,
        "The provider must update the TDX module or microcode.",
        Actor.PROVIDER,
        AUTHENTIC_QUOTE,
    ),
)

_BINDING = (
    Check(
        "evidence.provider_opinion",
        "What the operator says of the pod does not contradict the hardware",
        "measurement_valid is not false, and mr_td and tdx_version are not other than the quote's.",
        "Anything else: an opinion is compared and shown, never relied upon.",
        "voltage-attest, DESIGN: the provider's word is not evidence",
        "Ask the operator why its answer and its hardware disagree. Do not use the pod until that is explained.",
        Actor.PROVIDER,
        AUTHENTIC_QUOTE,
    ),
    Check(
        "binding.nonce",
        "The evidence was made for this request",
        "The answer names the nonce that the verifier drew, all 32 bytes of it (constant-time comparison).",
        "That the quote holds it: binding.report_data proves that.",
        "RFC 9334, section 10.2 (nonce-based freshness)",
        "Ask the pod again with a fresh nonce. If it repeats an old answer, treat it as hostile.",
        Actor.PROVIDER,
        ("evidence.quote_present",),
    ),
    Check(
        "binding.report_data",
        "The quote is bound to our nonce and to the pod's TLS key",
        "REPORTDATA, recomputed over all 64 bytes by the policy's binding rule, is what the hardware signed.",
        "That the key never left the TD: that rests on the measured image.",
        "voltage-attest/1 and the providers' rules (docs/bindings.md)",
        "Do not send anything: the evidence may be relayed from another machine. Check channel.binding in the policy.",
        Actor.PROVIDER,
        (*AUTHENTIC_QUOTE, "binding.nonce"),
    ),
)

POLICY_CHECKS: tuple[Check, ...] = (
    Check(
        "policy.valid_until",
        "The policy is in force",
        "The appraisal time is not after the policy's valid_until (that UTC day included).",
        "That the policy is right.",
        "voltage-attest/policy/1",
        "Review the policy and set a new valid_until.",
        Actor.YOU,
    ),
    *_TD,
    *_TCB,
    *(_pin(key, name, source) for key, name, source, _ in PINNED_FIELDS),
    *_BINDING,
)
