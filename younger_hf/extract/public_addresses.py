"""Connections to public addresses only: `public_pool`, for URLs that strangers name (request forgery).

A name is looked up and its addresses are checked before anything is connected; the address that was connected to is
checked again, since a name may have changed meanwhile. Redirects are new connections, so that they are checked, too.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address, ip_address
from typing import NoReturn

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError

from younger_hf.extract.ranges import Patience, RemoteError


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet can ask."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast


class _PublicConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        _check_name(self)
        return _checked(self.host, super()._new_conn())


class _PublicSecureConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        _check_name(self)
        return _checked(self.host, super()._new_conn())


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicSecurePool(HTTPSConnectionPool):
    ConnectionCls = _PublicSecureConnection


def public_pool(patience: Patience | None = None) -> PoolManager:
    """Kept connections to public addresses; by way of no proxy, since that would look names up by itself."""
    waits = patience or Patience()
    pool = PoolManager(
        timeout=Timeout(connect=waits.connect, read=waits.silence), ca_certs=os.environ.get("REQUESTS_CA_BUNDLE")
    )
    pool.pool_classes_by_scheme = {"http": _PublicPool, "https": _PublicSecurePool}
    return pool


def _check_name(connection: HTTPConnection) -> None:
    try:
        found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameResolutionError(connection.host, connection, socket.gaierror(str(error))) from error
    if not all(is_public(str(address[0])) for *_, address in found):
        _refuse(connection.host)


def _checked(host: str, connected: socket.socket) -> socket.socket:
    if not is_public(str(connected.getpeername()[0])):
        connected.close()
        _refuse(host)
    return connected


def _refuse(host: str) -> NoReturn:
    raise RemoteError(f"{host} is no public address: name a file that anybody can fetch")
