"""An ONNX file on a web server as a `ByteSource`: what the reader touches is fetched, in few requests and few bytes.

A file of hundreds of megabytes is some runs of structure and, between payloads, the headers of the tensors. How much
is fetched at a time follows from how the reader moves: who reads on gets twice as much as the time before; who leaps
over a payload gets a small part of what was leapt over, since behind a large tensor stands the header of the next
and often a few small tensors. So what is fetched in vain is bounded by the structure, and by 1/256 of the payloads.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, overload

from younger_hf.extract.public_addresses import public_pool
from younger_hf.extract.ranges import Patience, RangedFile

_PAGE_BITS: Final = 9
_PAGE: Final = 1 << _PAGE_BITS  # bytes: the header of a tensor takes about a hundred

# In pages.
_FIRST: Final = 256  # 128 KiB, all of a small file
_NEAR: Final = 8  # who steps over no more reads on
_SHARE: Final = 256
_MOST_AFTER_LEAP: Final = 128
_MOST: Final = 2048
_LARGE: Final = 65536  # 32 MiB, from where on `_MOST` is too much: it may be fetched for nothing where a run ends


class RemoteSource:
    """The bytes of a file on a web server, fetched on access and kept: a `ByteSource` and a context manager.

    Args:
        url: where it is, http:// or https://.
        patience: how long the server is waited for.
        public_only: refuse addresses of this machine and of its networks, wherever names and redirects lead.

    Attributes:
        name: the URL without its query: what errors call the file.

    Raises:
        RemoteError: it cannot be read. Every access may raise it.
    """

    def __init__(self, url: str, patience: Patience | None = None, *, public_only: bool = False) -> None:
        self._file = RangedFile(url, patience, public_pool(patience) if public_only else None)
        self.name = self._file.name
        self._pages: dict[int, bytes] = {}
        self._behind = 0  # the page behind the last one that was fetched
        self._ahead = _FIRST // 2
        self._fetch(0, 0)

    def __enter__(self) -> RemoteSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.__exit__(kind, error, at)

    def __len__(self) -> int:
        return self._file.size or 0

    @overload
    def __getitem__(self, index: int, /) -> int: ...

    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...

    def __getitem__(self, index: int | slice, /) -> int | bytes:
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return self._slice(start, stop)
        page = self._pages.get(index >> _PAGE_BITS)
        if page is None:
            if not 0 <= index < len(self):
                raise IndexError(f"byte {index} of {len(self)}")
            self._fetch(index >> _PAGE_BITS, index >> _PAGE_BITS)
            page = self._pages[index >> _PAGE_BITS]
        return page[index & (_PAGE - 1)]

    @property
    def fetched(self) -> int:
        """Bytes of content that have come so far."""
        return self._file.fetched

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._file.requests

    def _slice(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        pages = range(start >> _PAGE_BITS, (stop - 1 >> _PAGE_BITS) + 1)
        missing = [page for page in pages if page not in self._pages]
        if missing:
            self._fetch(missing[0], missing[-1])
        offset = pages[0] << _PAGE_BITS
        return b"".join(map(self._pages.__getitem__, pages))[start - offset : stop - offset]

    def _fetch(self, first: int, last: int) -> None:
        """Get the pages from `first` to `last`, and some behind them."""
        leap = first - self._behind
        size = len(self) >> _PAGE_BITS
        if 0 <= leap <= _NEAR:
            self._ahead = min(2 * self._ahead, _MOST if size < _LARGE else size // 256)
        else:
            self._ahead = min(1 + abs(leap) // _SHARE, _MOST_AFTER_LEAP)
        self._behind = max(last + 1, first + self._ahead)
        start = first << _PAGE_BITS
        content = self._file.read(start, self._behind << _PAGE_BITS)
        for at in range(0, len(content), _PAGE):
            self._pages[start + at >> _PAGE_BITS] = content[at : at + _PAGE]
