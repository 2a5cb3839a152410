"""Every rule, in order of precedence: `RULES`, and `describe`, the table of them that the documents show."""

from __future__ import annotations

from typing import Final

from younger_hf.recognise.fixpoint import Rule
from younger_hf.recognise.rules import activations, attention, cleanup, constants, layout, linear, norms, rotary

GROUPS: Final[dict[str, tuple[Rule, ...]]] = {
    "cleanup": cleanup.RULES,
    "constants": constants.RULES,
    "layout": layout.RULES,
    "norms": norms.RULES,
    "activations": activations.RULES,
    "attention": attention.RULES,
    "rotary": rotary.RULES,
    "linear": linear.RULES,
}

RULES: Final = tuple(rule for rules in GROUPS.values() for rule in rules)


def describe() -> str:
    """The rules as a Markdown table."""
    lines = ["| rule | tried on | what it does |", "|---|---|---|"]
    lines += [
        f"| `{rule.name}` | {', '.join(rule.operators[:4])}{' …' * (len(rule.operators) > 4)} | {rule.meaning} |"
        for rule in RULES
    ]
    return "\n".join(lines)
