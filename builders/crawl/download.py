"""A file from a web server, whole: `download`. Anonymous, patient, of bounded size."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import urllib3

from younger_hf.extract.ranges import RemoteError

TIMEOUT: Final = 60.0  # seconds without a byte
RETRIES: Final = urllib3.Retry(5, status_forcelist=(429, 500, 502, 503, 504), backoff_factor=1.0, raise_on_status=False)

_CHUNK: Final = 1 << 20


def download(url: str, file: Path, limit: int) -> Path:
    """Put what a server has at an address into a file, which is given back.

    Args:
        url: the address.
        file: where it goes; its directory is made if need be.
        limit: bytes that it may have.

    Raises:
        RemoteError: it is not there, has more bytes, or the connection fails.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with urllib3.PoolManager(timeout=TIMEOUT) as pool:
            response = pool.request("GET", url, retries=RETRIES, preload_content=False)
            if response.status != 200:
                message = f"{url} is not to be had: the server answers with {response.status}"
                raise RemoteError(message, "not_found" if response.status == 404 else "error")
            size = 0
            with file.open("wb") as target:
                for chunk in response.stream(_CHUNK):
                    size += target.write(chunk)
                    if size > limit:
                        raise RemoteError(f"{url} has more than {limit >> 20} MiB", "too_large")
    except urllib3.exceptions.HTTPError as error:
        raise RemoteError(f"{url} cannot be read: the connection fails") from error
    return file
