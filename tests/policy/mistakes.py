"""A policy with every key, and the mistakes one can make in it: one edit each, and what the error must say."""

from __future__ import annotations

from dataclasses import dataclass

MRTD, OTHER = "ab" * 48, "cd" * 48
TEXT = f'''\
schema = "voltage-attest/policy/1"
name = "clinic"
valid_until = 2027-03-31

[tdx]
mrtd = ["{MRTD}"]
rtmr0 = ["{MRTD}", "{OTHER.upper()}"]
rtmr1 = {{ unpinned = "differs per host" }}
rtmr2 = ["{MRTD}"]
rtmr3 = {{ unpinned = "event log decides" }}
fmspc = ["b0c06f000000"]
min_tee_tcb_svn = "05010200000000000000000000000000"
unsafe_allow_sept_ve = true

[tdx.tcb]
accept = ["UpToDate", "SWHardeningNeeded"]
min_tcb_evaluation_data_number = 17
deny_advisories = ["INTEL-SA-01192"]

[[tdx.tcb.exception]]
status = "OutOfDate"
advisories = ["INTEL-SA-00615", "INTEL-SA-00828"]
until = 2027-01-31
reason = "vendor ticket 4711"

[[tdx.tcb.exception]]
status = "ConfigurationNeeded"
until = 2027-02-28
reason = "vendor ticket 4712"
'''


@dataclass(frozen=True)
class Mistake:
    """One edit of the policy and what the error must say: key, line, and words of the text."""

    old: str
    new: str
    key: str | None
    line: int | None
    words: tuple[str, ...]


LONG = "ab" * 49
FOREIGN_DIGITS = "\uff10" * 96
MISTAKES = {
    # unknown keys, with the nearest known one
    "mrtdd": Mistake("mrtd =", f'mrtdd = ["{MRTD}"]\nmrtd =', "tdx.mrtdd", 6, ("unknown key 'mrtdd'", "Did you mean mrtd?")),
    "acept": Mistake("accept =", "acept =", "tdx.tcb.acept", 16, ("unknown key 'acept'", "Did you mean accept?")),
    "untill": Mistake(
        "until = 2027-02-28",
        "until = 2027-02-28\nuntill = 2027-02-28",
        "tdx.tcb.exception.1.untill",
        29,
        ("Did you mean until?",),
    ),
    "top level": Mistake("name =", 'owner = "me"\nname =', "owner", 2, ("unknown key 'owner'", "Remove it.")),
    "measurements": Mistake(
        "[tdx.tcb]", '[tdx.measurements]\nmax_age = "30d"\n[tdx.tcb]', "tdx.measurements", 15, ("unknown key 'measurements'",)
    ),
    "unpinned twice": Mistake(
        'unpinned = "differs per host"', 'unpinned = "why", until = 2027-01-01', "tdx.rtmr1.until", 8, ("unknown key 'until'",)
    ),
    # values that could never match
    "short": Mistake(f'mrtd = ["{MRTD}"]', 'mrtd = ["abcd"]', "tdx.mrtd", 6, ("'abcd'", "96 hex digits (48 bytes)")),
    "long": Mistake(f'mrtd = ["{MRTD}"]', f'mrtd = ["{LONG}"]', "tdx.mrtd", 6, ("with 98 characters", "96 hex digits")),
    "no hex": Mistake(f'mrtd = ["{MRTD}"]', f'mrtd = ["{"xy" * 48}"]', "tdx.mrtd", 6, ("96 hex digits",)),
    "0x": Mistake(f'mrtd = ["{MRTD}"]', f'mrtd = ["0x{MRTD[2:]}"]', "tdx.mrtd", 6, ("without 0x",)),
    "blanks": Mistake(f'mrtd = ["{MRTD}"]', f'mrtd = [" {MRTD[1:]}"]', "tdx.mrtd", 6, ("96 hex digits",)),
    "foreign digits": Mistake(f'mrtd = ["{MRTD}"]', f'mrtd = ["{FOREIGN_DIGITS}"]', "tdx.mrtd", 6, ("96 hex digits",)),
    "fmspc": Mistake('"b0c06f000000"', '"b0c06f00"', "tdx.fmspc", 11, ("'b0c06f00'", "12 hex digits (6 bytes)")),
    "floor": Mistake('"05010200000000000000000000000000"', '"0501"', "tdx.min_tee_tcb_svn", 12, ("32 hex digits (16 bytes)",)),
    "doubled": Mistake(f'"{OTHER.upper()}"', f'"{MRTD}"', "tdx.rtmr0", 7, ("stands twice", "Remove one")),
    "doubled in another case": Mistake(f'"{OTHER.upper()}"', f'"{MRTD.upper()}"', "tdx.rtmr0", 7, ("stands twice",)),
    "doubled status": Mistake('"SWHardeningNeeded"]', '"UpToDate"]', "tdx.tcb.accept", 16, ("stands twice",)),
    # empty lists and texts
    "no values": Mistake(f'mrtd = ["{MRTD}"]', "mrtd = []", "tdx.mrtd", 6, ("an empty list", "at least one value")),
    "no statuses": Mistake(
        'accept = ["UpToDate", "SWHardeningNeeded"]', "accept = []", "tdx.tcb.accept", 16, ("an empty list",)
    ),
    "no advisories": Mistake(
        'deny_advisories = ["INTEL-SA-01192"]', "deny_advisories = []", "tdx.tcb.deny_advisories", 18, ("an empty list",)
    ),
    "empty value": Mistake(f'mrtd = ["{MRTD}"]', 'mrtd = [""]', "tdx.mrtd", 6, ("a list holding ''",)),
    "no reason": Mistake("differs per host", "  ", "tdx.rtmr1.unpinned", 8, ("an empty string",)),
    "no name": Mistake('"clinic"', '""', "name", 2, ("an empty string", "Say what name is.")),
    # types
    "string pin": Mistake(f'mrtd = ["{MRTD}"]', f'mrtd = "{MRTD}"', "tdx.mrtd", 6, ("a TOML string", "Write mrtd = [")),
    "boolean pin": Mistake(f'mrtd = ["{MRTD}"]', "mrtd = true", "tdx.mrtd", 6, ("a TOML boolean",)),
    "number in a pin": Mistake(f'mrtd = ["{MRTD}"]', "mrtd = [1]", "tdx.mrtd", 6, ("a list holding 1", "strings")),
    "boolean in a pin": Mistake(f'mrtd = ["{MRTD}"]', "mrtd = [true]", "tdx.mrtd", 6, ("a list holding True",)),
    "boolean name": Mistake('"clinic"', "true", "name", 2, ("a TOML boolean", 'Write name = "text"')),
    "boolean number": Mistake("= 17", "= true", "tdx.tcb.min_tcb_evaluation_data_number", 17, ("a TOML boolean", "= 17")),
    "float number": Mistake("= 17", "= 17.0", "tdx.tcb.min_tcb_evaluation_data_number", 17, ("a TOML float",)),
    "negative number": Mistake("= 17", "= -1", "tdx.tcb.min_tcb_evaluation_data_number", 17, ("-1", "0 or more")),
    "string flag": Mistake("ve = true", 've = "true"', "tdx.unsafe_allow_sept_ve", 13, ("a TOML string", "= true")),
    "number flag": Mistake("ve = true", "ve = 1", "tdx.unsafe_allow_sept_ve", 13, ("a TOML integer",)),
    "string date": Mistake("= 2027-03-31", '= "2027-03-31"', "valid_until", 3, ("a TOML string", "= 2027-03-31")),
    "date and time": Mistake("= 2027-03-31", "= 2027-03-31T00:00:00Z", "valid_until", 3, ("a TOML date or time",)),
    "boolean reason": Mistake(
        'reason = "vendor ticket 4711"', "reason = true", "tdx.tcb.exception.0.reason", 24, ("a TOML boolean",)
    ),
    "boolean unpinned": Mistake('"differs per host"', "true", "tdx.rtmr1.unpinned", 8, ("a TOML boolean", 'unpinned = "text"')),
    "tcb is a list": Mistake("[tdx.tcb]", "[[tdx.tcb]]", "tdx.tcb", None, ("a TOML array", "[tdx.tcb]")),
    "exception is a table": Mistake(
        '[[tdx.tcb.exception]]\nstatus = "OutOfDate"', '[tdx.tcb.exception]\nstatus = "OutOfDate"', None, None, ("not TOML",)
    ),
    # missing
    "no mrtd": Mistake(f'mrtd = ["{MRTD}"]\n', "", "tdx", 5, ("tdx.mrtd is missing", 'mrtd = { unpinned = "why" }')),
    "no rtmr3": Mistake('rtmr3 = { unpinned = "event log decides" }\n', "", "tdx", 5, ("tdx.rtmr3 is missing",)),
    "no unpinned": Mistake('unpinned = "differs per host"', "", "tdx.rtmr1", 8, ("tdx.rtmr1.unpinned is missing",)),
    "no schema": Mistake('schema = "voltage-attest/policy/1"\n', "", None, None, ("schema is missing",)),
    "other schema": Mistake("policy/1", "policy/2", "schema", 1, ("'voltage-attest/policy/2'", "'voltage-attest/policy/1'")),
    "no until": Mistake(
        "until = 2027-02-28\n", "", "tdx.tcb.exception.1", 26, ("an exception without until", "until = 2027-01-31")
    ),
    "no status": Mistake('status = "ConfigurationNeeded"\n', "", "tdx.tcb.exception.1", 26, ("status is missing",)),
    "no exception reason": Mistake('reason = "vendor ticket 4712"\n', "", "tdx.tcb.exception.1", 26, ("reason is missing",)),
    # statuses
    "revoked": Mistake('"SWHardeningNeeded"]', '"Revoked"]', "tdx.tcb.accept", 16, ("'Revoked'", "can never be accepted")),
    "revoked exception": Mistake(
        '"ConfigurationNeeded"', '"Revoked"', "tdx.tcb.exception.1.status", 27, ("can never be accepted",)
    ),
    "misspelt status": Mistake('"SWHardeningNeeded"]', '"uptodate2"]', "tdx.tcb.accept", 16, ("one of UpToDate",)),
    "status in another case": Mistake(
        '"SWHardeningNeeded"]', '"swhardeningneeded"]', "tdx.tcb.accept", 16, ("as Intel writes it",)
    ),
}
