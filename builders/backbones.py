"""What a published configuration says that its model is built upon: a ResNet under a detector, the towers of a CLIP.

In goes the text of a `config.json`; out come the families, in the words of the configuration.
"""

from __future__ import annotations

import json
from typing import Any, Final

from younger_hf.families import named_family

_MOST: Final = 8
_LONGEST: Final = 64


def backbones_in(config: str) -> tuple[str, ...]:
    """The model types of the parts that a configuration describes, and the family of a backbone that it names; sorted.

    Args:
        config: a JSON object; anything else says nothing.
    """
    try:
        fields: Any = json.loads(config)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(fields, dict):
        return ()
    found = [part.get("model_type") for part in fields.values() if isinstance(part, dict)]
    if isinstance(named := fields.get("backbone"), str):
        found.append(named_family(named))
    return tuple(sorted({one for one in found if isinstance(one, str) and 0 < len(one) <= _LONGEST}))[:_MOST]
