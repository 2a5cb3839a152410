"""A Hub on this machine to try things on: `PYTHONPATH=tests python -m hub`, until Ctrl-C; it forgets all then.

It prints the line that tells a shell, another one than its own, to talk to it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import suppress

from hub.server import hub

USER, TOKEN = "me", "hf_me"

argparse.ArgumentParser("python -m hub", description=__doc__).parse_args()
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it would be ignored

with hub() as served, tempfile.TemporaryDirectory(prefix="hub-") as home:
    served.users = {TOKEN: USER}
    sys.stdout.write(f"export HF_ENDPOINT={served.endpoint} HF_TOKEN={TOKEN} HF_HOME={home} HF_HUB_DISABLE_XET=1\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        signal.pause()
