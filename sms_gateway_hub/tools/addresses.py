# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where a request may go: which addresses the hub connects to, and how it holds to it.

A name is resolved once for a connection, each address that it stands for is judged,
and the connection is made to one that was judged: a name that means another address a
moment later (DNS rebinding) changes nothing. Host header, SNI and the name that the
certificate must show stay those of the gateway's address.
"""

import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from ..exceptions import GatewayConfigError

# Where clouds keep what a machine may know of itself, keys among it, outside of the
# ranges that are link-local. No gateway is ever there.
_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::254/128",  # Google
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Names that only a local resolver knows. They are never asked for here: what they
# lead to is judged when a connection is made.
_LOCAL_SUFFIXES = (
    ".corp", ".home", ".home.arpa", ".internal", ".intranet", ".lan", ".local",
    ".localdomain", ".localhost", ".private",
)  # fmt: skip


def _unwrap(ip):
    """Return the IPv4 address that an IPv6 one stands for, or the address itself."""
    if ip.version == 6:
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (0, None))[1] or ip
    return ip


def classify(address):
    """Say what kind of place an address is.

    :param str address: an IP literal, with or without a scope (``fe80::1%eth0``)
    :return: "public"; "local" for loopback and private networks; "never" for where
        no gateway can be: link-local, metadata of clouds, multicast, unspecified,
        reserved. None for what is no IP literal
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    ip = _unwrap(ip)
    if ip.is_loopback:
        # Before "reserved", which ::1 is as well.
        return "local"
    if (
        ip.is_link_local
        or ip.is_multicast
        or ip.is_unspecified
        or ip.is_reserved
        or any(ip in network for network in _METADATA if network.version == ip.version)
    ):
        return "never"
    if ip.version == 6 and ip.is_site_local:
        # What private networks of IPv6 were once, and Python calls global.
        return "local"
    return "public" if ip.is_global else "local"


def host_of(url):
    """Return the host of an address as ``urlsplit`` reads it, or None."""
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def place_of(url):
    """Say what can be told of an address without asking anybody.

    :param str url: with its scheme
    :return: as ``classify``; "local" also for names that are local by their form;
        None where only a resolver can tell
    """
    host = (host_of(url) or "").rstrip(".")
    if not host:
        return None
    if kind := classify(host):
        return kind
    with suppress(OSError, UnicodeError, ValueError):
        # 2130706433, 0x7f.1 and 127.1: what the C library takes for an address.
        return classify(socket.inet_ntoa(socket.inet_aton(host)))
    if "." not in host or host.endswith(_LOCAL_SUFFIXES):
        return "local"
    return None


def connect(address, timeout, _source_address=None, *, local=False):
    """Connect to a host at an address that was judged: ``socket.create_connection``.

    :param tuple address: host and port
    :param float timeout: seconds, for each address of the host
    :param bool local: it may be on this machine or on the local network
    :return: socket
    :raise GatewayConfigError: it leads to where the gateway may not be
    :raise OSError: as ``socket.create_connection``
    """
    host, port = address
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    places = [classify(sockaddr[0]) for *_info, sockaddr in found]
    allowed = ("public", "local") if local else ("public",)
    if not any(place in allowed for place in places):
        if "local" in places:
            raise GatewayConfigError(
                "The gateway's address leads into the local network. If the gateway "
                "stands there, switch on “May be on the local network”.",
                field_name="local_network",
            )
        raise GatewayConfigError(
            "The gateway's address leads to a place where no gateway can be."
        )
    error = None
    for (family, kind, protocol, _name, sockaddr), place in zip(
        found, places, strict=True
    ):
        if place not in allowed:
            continue
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(sockaddr)
        except OSError as caught:
            sock.close()
            error = caught
        else:
            return sock
    raise error
