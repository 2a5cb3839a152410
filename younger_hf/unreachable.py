"""What huggingface_hub raises where the Hub refuses or cannot be reached, whichever its generation."""

from __future__ import annotations

from typing import Final, cast

from huggingface_hub.errors import HfHubHTTPError

# The errors of requests or, since huggingface_hub 1, of httpx: those of the connection too, which are no OSError there.
UNREACHABLE: Final = (cast(type[Exception], HfHubHTTPError.__mro__[1]), OSError)
