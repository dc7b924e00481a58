"""Checks of the TCB: which of Intel's levels platform, TDX module and quoting enclave reach, and what that makes together."""

from __future__ import annotations

from voltage_attest.checks.model import Actor, Check

__all__ = ["SIGNED_QE_IDENTITY", "TCB_CHECKS"]

_SIGNED_TCB_INFO = ("tdx.tcb_info.signer", "tdx.tcb_info.signature", "tdx.tcb_info.parse")
SIGNED_QE_IDENTITY = ("tdx.qe_identity.signer", "tdx.qe_identity.signature", "tdx.qe_identity.parse")
_MATCHED_TCB_INFO = (*_SIGNED_TCB_INFO, "tdx.pck.chain", "tdx.tcb_info.fmspc", "tdx.tcb_info.pce_id")

TCB_CHECKS: tuple[Check, ...] = (
    Check(
        "tdx.module.identity",
        "The TDX module is one that Intel signed",
        "TCB info names the module's major version, and MRSIGNERSEAM and SEAMATTRIBUTES are as demanded (all zero).",
        "The module's patch level: tdx.tcb.module judges that.",
        "QVL TdxModuleCheck.cpp (4.1.2.4.11)",
        "The machine runs a TDX module that Intel's TCB info does not know. The provider must install a released one.",
        Actor.PROVIDER,
        (*_SIGNED_TCB_INFO, "tdx.quote.parse"),
    ),
    Check(
        "tdx.tcb.platform",
        "A TCB level of Intel's TCB info matches the platform",
        "All 16 SGX components, PCESVN and the TDX components reach one of Intel's levels; its status is the platform's.",
        "That the status is good enough: the policy judges that.",
        "QVL TcbLevelCheck.cpp (4.1.2.4.17)",
        "The platform is older than anything Intel lists. The provider must update microcode, BIOS and TDX module.",
        Actor.PROVIDER,
        _MATCHED_TCB_INFO,
    ),
    Check(
        "tdx.tcb.module",
        "A TCB level of the TDX module's identity matches the module",
        "TEE_TCB_SVN[0] reaches one of the levels Intel lists for this module version; its status is the module's.",
        "That the status is good enough: the policy judges that.",
        "QVL TdxModuleCheck.cpp",
        "The provider must update the TDX module.",
        Actor.PROVIDER,
        (*_MATCHED_TCB_INFO, "tdx.module.identity"),
    ),
    Check(
        "tdx.tcb.qe",
        "A TCB level of the QE identity matches the quoting enclave",
        "The enclave's ISVSVN reaches one of the levels Intel lists; its status is the QE's.",
        "That the status is good enough: the policy judges that.",
        "QVL EnclaveReportVerifier.cpp",
        "The provider must update its quoting enclave (DCAP packages).",
        Actor.PROVIDER,
        (*SIGNED_QE_IDENTITY, "tdx.quote.parse"),
    ),
    Check(
        "tdx.tcb.converged",
        "Platform, TDX module and quoting enclave together are not revoked",
        "The three statuses are joined by Intel's rules, never overwritten, and the result is not Revoked.",
        "That the joined status is good enough: tdx.policy.tcb judges that.",
        "QVL TcbStatus convergence; TDRelaunchCheck.cpp",
        "Intel has revoked this TCB. Do not use the pod; the provider must update the platform.",
        Actor.PROVIDER,
        ("tdx.tcb.platform", "tdx.tcb.module", "tdx.tcb.qe"),
    ),
)
