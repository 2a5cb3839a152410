"""The driver's pool of templates: `with Templates() as templates: convert(…, templates=templates)`.

A template (see `template`) has imported what an exporter needs, so that a conversion starts with a fork instead of
seconds of imports. There is one for each exporter module, another for its fetch step, both started when first asked
for. Other systems than Linux do not fork safely once libraries are loaded: there each child imports them itself.

The check of an answer is preloaded even where exporters are not: behind walls that forbid writing, numba does not find
what it has compiled before, and compiling takes longer than most conversions.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from builders.convert.isolation.leftovers import discard
from builders.convert.isolation.view import visible

# The only variables that a child inherits. Tokens and keys are in none of them.
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# And those that a step with a network needs besides: where the hubs are, and how to get there.
_INHERITED_WITH_NETWORK: Final = (
    *("HF_ENDPOINT", "HF_HUB_DISABLE_XET", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "KAGGLE_API_ENVIRONMENT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
CHECK: Final = "builders.convert.isolation.check"  # the module that looks at what a child has answered
_KEPT: Final = 4  # templates at rest; one holds some 400 MB
_FORKS: Final = 1000  # of one template; what a fork may leave in it does not pile up


class Template:
    """A running template.

    Attributes:
        proved: whether a child has come of it.
        users: conversions that go on below it.
        retired: whether it takes no more of them.
        lost: whether a child that was asked of it never came: it is dying, though it may not have ended yet.
    """

    def __init__(self, module: str, network: bool, scratch: Path | None) -> None:
        self.proved = self.retired = self.lost = False
        self.users = self.forks = 0
        self._home = Path(tempfile.mkdtemp(prefix="template-", dir=scratch)).resolve()
        options = json.dumps({"paths": visible(network=network), "network": network})
        self._control, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-X", "faulthandler", "-m", "builders.convert.isolation.template"),
                    *(str(os.getpid()), str(theirs.fileno()), options, module),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd=self._home,
                env=_environment(self._home, network),
                start_new_session=True,
            )
        except BaseException:
            self._control.close()
            discard(self._home)
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it lives, and has not forked enough."""
        return not self.lost and self.forks < _FORKS and self._process.poll() is None

    def fork(self, *descriptors: int) -> None:
        """Ask for a child with these descriptors; what comes of it is said on the last one.

        Raises:
            OSError: the template has died.
        """
        self.forks += 1
        socket.send_fds(self._control, [b"f"], descriptors)

    def end(self) -> None:
        """Kill it, and with it what is left of its children."""
        self._process.kill()
        self._process.wait()
        self._control.close()
        discard(self._home)


class Templates:
    """Templates by exporter module, for any number of threads; used in a `with` statement, which ends them.

    Args:
        scratch: where their home directories are made.
        preload: whether they import the exporters' libraries too, where the system allows it.
    """

    def __init__(self, scratch: Path | None = None, *, preload: bool = True) -> None:
        self._scratch = scratch
        self._preload = preload
        self._bare: set[str] = set()
        self._templates: OrderedDict[tuple[str, bool], Template] = OrderedDict()  # the last used last
        self._lock = threading.Lock()
        # Linux ends a child with the thread that started it, so this one starts all of them.
        self._starter = ThreadPoolExecutor(max_workers=1)

    @contextmanager
    def lend(self, module: str, *, network: bool) -> Iterator[Template]:
        """A template that has this exporter's libraries, or from which a child can import them."""
        preload = sys.platform == "linux" and module not in self._bare and (self._preload or module == CHECK)
        with self._lock:
            template = self._get(module if preload else "", network)
            template.users += 1
        try:
            yield template
        finally:
            with self._lock:
                template.users -= 1
                if template.retired and not template.users:
                    template.end()

    def distrust(self, module: str) -> None:
        """Import this module in the children from now on: it has killed its template."""
        self._bare.add(module)

    def _get(self, module: str, network: bool) -> Template:
        key = module, network
        if (template := self._templates.get(key)) is None or not template.usable:
            self._retire(key)
            template = self._starter.submit(Template, module, network, self._scratch).result()
            self._templates[key] = template
            for idle in [key for key, other in self._templates.items() if not other.users][: -_KEPT - 1]:
                self._retire(idle)
        self._templates.move_to_end(key)
        return template

    def _retire(self, key: tuple[str, bool]) -> None:
        """Give up a template, when the conversions that go on below it have ended."""
        if template := self._templates.pop(key, None):
            template.retired = True
            if not template.users:
                template.end()

    def __enter__(self) -> Templates:
        return self

    def __exit__(self, *exception: object) -> None:
        """End all of them."""
        with self._lock:
            for key in list(self._templates):
                self._retire(key)
        self._starter.shutdown()


def _environment(home: Path, network: bool) -> dict[str, str]:
    """A child's whole environment.

    Its home is the scratch directory: none of the user's settings is there to shape the result. Hash seed and one
    thread make an export repeatable.
    """
    inherited = (*_INHERITED, *_INHERITED_WITH_NETWORK) if network else _INHERITED
    return {
        **{name: os.environ[name] for name in inherited if name in os.environ},
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        # A thread that pyarrow starts when it is loaded, and without which there is nothing that a fork could lose.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **({} if network else {"HF_HUB_OFFLINE": "1"}),  # a sentence at once instead of retries
    }
