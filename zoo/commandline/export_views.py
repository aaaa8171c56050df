"""Turn certificates and verifications into the lines that the built-in commands print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..formatting import table

if TYPE_CHECKING:
    from ..exporting.certificate import Certificate, Check
    from ..verification.verify import Verification


def certificate(made: Certificate) -> list[str]:
    """``zoo export``: the file, its checks, and where the certificate is."""
    return [
        f"{made.file}  {made.bytes:,} bytes, from {made.origin}",
        _checks(made.checks, {}),
        f"{made.path}  the certificate",
    ]


def verification(found: Verification) -> list[str]:
    """``zoo verify``: the checks, then the notes and the overall result."""
    failed = sum(not check.passed for check in found.checks)
    outcome = f"{failed} of {len(found.checks)} checks FAILED" if failed else "all checks passed"
    if found.not_checked:
        outcome = f"{outcome}, {len(found.not_checked)} could not be made"
    notes = [f"Note: {note}" for note in found.notes]
    return [_checks(found.checks, found.not_checked), *notes, f"{found.file}  {outcome} (seed {found.seed})"]


def _checks(checks: Iterable[Check], not_checked: Mapping[str, str]) -> str:
    rows = [(check.gate, "passed" if check.passed else "FAILED", check.summary) for check in checks]
    rows += [(gate, "not checked", reason) for gate, reason in not_checked.items()]
    return table(("CHECK", "RESULT", "DETAILS"), rows, wrap=("DETAILS",))
