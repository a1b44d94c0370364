"""Which addresses a file source may be read from: a list of protocols, and no host inside this machine or its network.

A host is checked at each connection, by the numeric address that the socket connects to: neither a redirect nor a name
that resolves differently a moment later leads past the check. Buckets are not checked: their endpoint is a setting.
"""

import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from fsspec.registry import available_protocols

from data_contracts.errors import SourceUnreadable, SpecError
from tasks.sources.spec import SourceSpec

LOCAL_PROTOCOLS = ("file", "local", "memory", "zip", "tar", "simplecache", "filecache", "blockcache")
BUCKET_PROTOCOLS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "hf")
HTTP_PROTOCOLS = ("http", "https")
PINNED_PROTOCOLS = ("ftp", "sftp", "ssh")  # one connection, to the address that is resolved here
UNCHECKED_PROTOCOLS = ("ftps", "hdfs", "webhdfs")  # they connect to hosts that another host names
SCHEMES = (*LOCAL_PROTOCOLS, *BUCKET_PROTOCOLS, *HTTP_PROTOCOLS, *PINNED_PROTOCOLS, *UNCHECKED_PROTOCOLS)
SUPPORTED = "file, s3, gs, abfs, https, sftp"
# Options of fsspec that would open another address than that of the path.
OTHER_ADDRESS_OPTIONS = frozenset(
    ("protocol", "host", "fo", "fs", "target_protocol", "target_options", "remote_protocol", "remote_options")
)
CHAIN = re.compile(r"::(?![^\[\]]*\])")  # as fsspec splits a path, but not inside [::1]
NAT64 = ipaddress.ip_network("64:ff9b::/96")
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 15.0, 60.0  # of http: until a connection, and without a byte
PERMIT = "To read it all the same, set NIGHTCAST_ALLOW_PRIVATE_SOURCES=true"

_refused: ContextVar[list[str] | None] = ContextVar("refused_addresses", default=None)


class AddressRefused(OSError):
    """A connection leads to an address inside this machine or its network."""


def checked_address(source: SourceSpec) -> tuple[str, dict[str, Any]]:
    """Check the address of a file source.

    Args:
        source: The source, with its secrets resolved.

    Returns:
        The path and the storage options to open: hosts of ftp and sftp are replaced by their addresses, and options of
        http check each connection.

    Raises:
        SpecError: A protocol is not in the list, or a host is not public.
    """
    parts = CHAIN.split(source.path)
    protocols = [_protocol(part, chained=len(parts) > 1) for part in parts]
    if unknown := [name for name in protocols if name and name not in SCHEMES]:
        raise SpecError(_message(source, f"{unknown[0]}:// is not supported; use one of {SUPPORTED}"))
    if hidden := sorted(_option_names(source.storage) & OTHER_ADDRESS_OPTIONS):
        reason = f"source.storage.{hidden[0]} names a second address; write both in path, as in zip://*.csv::s3://b/x"
        raise SpecError(_message(source, reason))
    storage = _with_timeouts(protocols, source.storage)
    if source.allows_private_addresses:
        return source.path, storage
    if hosts := [name for name in protocols if name in UNCHECKED_PROTOCOLS]:
        reason = f"{hosts[0]}:// connects to hosts that are not checked. {PERMIT}, or copy it to a bucket"
        raise SpecError(_message(source, reason))
    opened = [_pinned(part, name, source) for part, name in zip(parts, protocols, strict=True)]
    return "::".join(opened), _checked_options(protocols, storage)


@contextlib.contextmanager
def record_refusals() -> Iterator[list[str]]:
    """Yield the addresses that are refused inside the block: fsspec reports them as missing files."""
    refused: list[str] = []
    token = _refused.set(refused)
    try:
        yield refused
    finally:
        _refused.reset(token)


def private_address_error(source: SourceSpec, address: str) -> SpecError:
    """Return the error of a source whose host, or a host that it redirects to, is not public."""
    return SpecError(
        _message(
            source,
            f"its host is {address}, an address inside this machine or its network, which is not read over a network "
            f"protocol; give the path of the file, or a bucket. {PERMIT}",
        )
    )


def is_private(address: str) -> bool:
    """Return whether a numeric address is not public, also if it is an IPv4 address written as IPv6."""
    parsed = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    embedded: list[Any] = [parsed]
    if isinstance(parsed, ipaddress.IPv6Address):
        embedded += [parsed.ipv4_mapped, parsed.sixtofour, *(parsed.teredo or ())]
        embedded += [ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)] if parsed in NAT64 else []
        embedded = embedded[1:] if parsed.ipv4_mapped else embedded
    return any(item is not None and (not item.is_global or item.is_multicast) for item in embedded)


def _option_names(storage: dict[str, Any]) -> set[str]:
    """Return the names of the options, with those that are given for a single protocol of a chain."""
    nested = [options for name, options in storage.items() if name in SCHEMES and isinstance(options, dict)]
    return set(storage).union(*nested)


def _protocol(part: str, chained: bool) -> str:
    """Return the protocol of a part of a path, as fsspec reads it; empty for a local path."""
    if "://" in part:
        return part.split("://", 1)[0].lower()
    if part.startswith("data:"):
        return "data"
    is_protocol = part in available_protocols() or (part.isalpha() and part.islower())
    return part if chained and is_protocol else ""


def _pinned(part: str, protocol: str, source: SourceSpec) -> str:
    """Return the part, with the host of ftp or sftp as a number. Raises SpecError if the host is not public."""
    if protocol not in (*HTTP_PROTOCOLS, *PINNED_PROTOCOLS):
        return part
    addresses = _resolve(part)
    if refused := [address for address in addresses if is_private(address)]:
        private = private_address_error(source, refused[0])
        raise private
    if protocol in HTTP_PROTOCOLS:
        return part
    if not addresses:
        raise SourceUnreadable(f"the source {source.label}", ["the name of its host cannot be resolved"])
    url = urlsplit(part)
    login, at, _ = url.netloc.rpartition("@")
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return urlunsplit(url._replace(netloc=f"{login}{at}{host}{f':{url.port}' if url.port else ''}"))


def _resolve(url: str) -> list[str]:
    """Return the addresses of the host, sorted; none if it cannot be resolved."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(urlsplit(url).hostname or "", None)})
    except (OSError, UnicodeError, ValueError):
        return []


def _with_timeouts(protocols: list[str], storage: dict[str, Any]) -> dict[str, Any]:
    """Return storage options by which http connections end if a server does not answer; options that are set win."""
    if not any(protocol in HTTP_PROTOCOLS for protocol in protocols):
        return storage
    import aiohttp  # only for sources of http

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
    options = dict(storage)
    for index, protocol in enumerate(protocols):
        if protocol in HTTP_PROTOCOLS:
            target = options if index == 0 else dict(options.get(protocol) or {})
            target["client_kwargs"] = {"timeout": timeout, **(target.get("client_kwargs") or {})}
            if index:
                options[protocol] = target
    return options


def _checked_options(protocols: list[str], storage: dict[str, Any]) -> dict[str, Any]:
    """Return storage options by which fsspec opens http connections that are checked."""
    options = dict(storage)
    for index, protocol in enumerate(protocols):
        if protocol in HTTP_PROTOCOLS and index == 0:
            options["get_client"] = _checked_client
        elif protocol in HTTP_PROTOCOLS:
            nested = options.get(protocol)
            options[protocol] = {**(nested if isinstance(nested, dict) else {}), "get_client": _checked_client}
    return options


async def _checked_client(**options: Any) -> Any:
    import aiohttp  # only for sources of http

    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=_checked_socket), **options)


def _checked_socket(target: Any) -> socket.socket:
    """Return a socket for an address that aiohttp has resolved, the first one or that of a redirect."""
    family, kind, protocol, _, address = target
    if is_private(str(address[0])):
        refused = _refused.get()
        if refused is not None:
            refused.append(str(address[0]))
        raise AddressRefused(f"{address[0]} is an address inside this machine or its network")
    return socket.socket(family, kind, protocol)


def _message(source: SourceSpec, reason: str) -> str:
    return f"the source {source.label} can't be opened: {reason}."
