"""Attributes, bit by bit. Values are little-endian; names are Intel's (TDX Module ABI, SDM vol. 3D and vol. 1, XCR0)."""

from __future__ import annotations

from typing import Final

from voltage_attest.cli.inspect_tree import Branch, Leaf

__all__ = ["sgx_attributes", "td_attributes", "tee_tcb_svn", "xfam"]

_TD_BITS: Final = (
    (0, "debug", "the host can read and change the TD's memory"),
    (17, "servtd_ext", "TD report 1.5ex: extended service-TD fields"),
    (28, "sept_ve_disable", "the host cannot inject #VE by removing pages"),
    (29, "migratable", "the TD can be moved to another machine"),
    (30, "pks", "supervisor protection keys"),
    (31, "kl", "Key Locker"),
    (63, "perfmon", "performance monitoring"),
)
_SGX_BITS: Final = (
    (0, "init", ""),
    (1, "debug", "the host can read and change the enclave's memory"),
    (2, "mode64bit", ""),
    (4, "provisionkey", ""),
    (5, "einittoken_key", ""),
    (6, "cet", ""),
    (7, "kss", ""),
)
_XFAM_FEATURES: Final = (
    (0, "x87"),
    (1, "SSE"),
    (2, "AVX"),
    (5, "AVX-512 opmask"),
    (6, "AVX-512 ZMM_Hi256"),
    (7, "AVX-512 Hi16_ZMM"),
    (8, "PT"),
    (9, "PKRU"),
    (10, "PASID"),
    (11, "CET user"),
    (12, "CET supervisor"),
    (13, "HDC"),
    (14, "UINTR"),
    (15, "LBR"),
    (16, "HWP"),
    (17, "AMX TILECFG"),
    (18, "AMX TILEDATA"),
)


def td_attributes(raw: bytes) -> Branch:
    """TDATTRIBUTES, 8 bytes."""
    return _flags("td_attributes", raw, raw, _TD_BITS)


def sgx_attributes(raw: bytes) -> Branch:
    """ATTRIBUTES of an SGX report, 16 bytes: flags 8, XFRM 8."""
    return _flags("attributes", raw, raw[:8], _SGX_BITS)


def xfam(raw: bytes) -> Branch:
    """XFAM, 8 bytes."""
    found = _set_bits(raw)
    names = dict(_XFAM_FEATURES)
    return Branch(
        "xfam",
        (
            Leaf("value", raw.hex()),
            Leaf("features", tuple([names[bit] for bit in found if bit in names])),
            Leaf("other_bits", tuple([bit for bit in found if bit not in names])),
        ),
    )


def tee_tcb_svn(name: str, raw: bytes) -> Branch:
    """TEE_TCB_SVN, 16 bytes: the first three have a meaning of their own."""
    return Branch(
        name,
        (
            Leaf("value", raw.hex()),
            Leaf("module_isv_svn", raw[0]),
            Leaf("module_major_version", raw[1]),
            Leaf("seam_loader_svn", raw[2]),
        ),
    )


def _flags(name: str, raw: bytes, flags: bytes, bits: tuple[tuple[int, str, str], ...]) -> Branch:
    found = _set_bits(flags)
    known = [Leaf(label, bit in found, f"bit {bit}{': ' if note else ''}{note}") for bit, label, note in bits]
    named = {bit for bit, _, _ in bits}
    other = Leaf("other_bits", tuple([bit for bit in found if bit not in named]))
    return Branch(name, (Leaf("value", raw.hex()), *known, other))


def _set_bits(raw: bytes) -> tuple[int, ...]:
    value = int.from_bytes(raw, "little")
    return tuple([bit for bit in range(8 * len(raw)) if value >> bit & 1])
