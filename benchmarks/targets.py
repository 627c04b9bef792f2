"""How every benchmark says whether a target is met: one line each, which ``python -m benchmarks`` collects."""

from __future__ import annotations

MARK = "target"


def judge(name: str, value: float, bound: float, *, at_least: bool = False, unit: str = "") -> bool:
    """Print and return whether ``value`` is at most ``bound``, or at least where asked; NaN never is."""
    met = value >= bound if at_least else value <= bound
    sign, tail = "≥" if at_least else "≤", f" {unit}" if unit else ""
    print(f"{MARK}  {name:58s}{value:10.3g}{tail:6s}{sign} {bound:g}{tail}  {'met' if met else 'MISSED'}", flush=True)
    return met
