"""How numbers are written in the page; what is missing or not a number is an en dash."""

import json
import math
from typing import Any

MISSING = "–"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def finite(value: Any) -> float | None:
    """The value as a float, or None if it is missing, not a number or infinite."""
    if value is None or isinstance(value, str):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: Any, digits: int = 3) -> str:
    """A number to `digits` significant digits: `0.0123`, `4,096`, `3.1 × 10⁻⁹`."""
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    known = finite(value)
    if known is None:
        return MISSING
    if known == int(known) and abs(known) < 1e6:
        return f"{int(known):,}".replace("-", "−")
    if 1e-3 <= abs(known) < 1e5:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(known))))
        return f"{known:,.{decimals}f}".replace("-", "−")
    mantissa, exponent = f"{known:.{max(0, digits - 2)}e}".split("e")
    power = str(int(exponent)).translate(SUPERSCRIPTS)
    return f"{mantissa}\u00a0×\u00a010{power}".replace("-", "−")


def setting(value: Any) -> str:
    """A number that somebody chose, as they would write it: `0.25`, `10⁻⁸`, not `0.250`."""
    known = finite(value)
    if known is None:
        return MISSING
    if known and (abs(known) < 1e-3 or abs(known) >= 1e6):
        mantissa, exponent = f"{known:.2e}".split("e")
        power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
        mantissa = f"{float(mantissa):g}"
        text = power if mantissa == "1" else f"{mantissa}\u00a0×\u00a0{power}"
    else:
        text = f"{known:.6g}"
    return text.replace("-", "−")


def percent(value: Any) -> str:
    """A share: `97%`, `2.5%`; 0% and 100% are written only if they are exact."""
    known = finite(value)
    if known is None:
        return MISSING
    if 0 < known < 0.001:
        return "<0.1%"
    if 0.999 < known < 1:
        return ">99.9%"
    whole = abs(100 * known - round(100 * known)) < 1e-9
    decimals = 0 if whole or 0.0995 <= known <= 0.99 else 1
    return f"{100 * known:.{decimals}f}%"


def pretty(value: Any) -> str:
    """A value of the provenance as text: a string as it stands, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
