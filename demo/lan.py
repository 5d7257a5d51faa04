"""`lilm serve --lan`: where a phone in the same network finds this machine, and what it can do there."""

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from lilm.errors import LilmError
from lilm.json_file import read_json_object

NOWHERE = ("192.0.2.1", 9)  # an address for documentation: asked for a way to it, the system sends nothing
QR_STYLE = "#ffffff on #000000"  # whatever colours the terminal has


def lan_address() -> str:
    """The IPv4 address by which others in the same network reach this machine. Raises LilmError when there is none: a
    public address is none, since the whole internet would be asked in."""
    found = list(_addresses())
    if not found:
        raise LilmError(
            "this machine is in no local network",
            where="--lan",
            remedy="join one, or give the address to listen on with --host",
        )
    way_out = _way_out()
    return way_out if way_out in found else found[0]


def checked_host(host: str) -> str:
    """An IPv4 address that the user gave. Raises LilmError for what is none, and for the one that means all."""
    try:
        found = ipaddress.IPv4Address(host)
    except ValueError as error:
        remedy = "give an IPv4 address of this machine, as 192.168.0.7"
        raise LilmError(f"{host!r} is no IPv4 address", where="--host", remedy=remedy) from error
    if found.is_unspecified:
        raise LilmError(f"{host} means every network", where="--host", remedy="give one address of this machine")
    return str(found)


def lan_names(address: str) -> frozenset[str]:
    """The names under which it may be asked there besides its address: the machine's own, and that in mDNS."""
    host = socket.gethostname().lower()
    short = host.partition(".")[0]
    return frozenset((address, host, short, f"{short}.local"))


def show_qr(url: str, console: Console) -> None:
    """A QR code of the address; none where the terminal's encoding has no blocks to draw it with."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(url, micro=False).terminal(drawn, border=2, compact=True)
    try:
        drawn.getvalue().encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return
    for line in drawn.getvalue().splitlines():
        console.print(line, style=QR_STYLE, highlight=False, markup=False, no_wrap=True)


def what_works(site: Path, secure: bool) -> list[str]:
    """What a phone can do there, in sentences: browsers give some things to https alone, and some to certificates alone
    that they trust."""
    if secure:
        return [
            "The browser warns of the certificate, since only this machine vouches for it; compare the fingerprint, "
            "and go on. It runs threads then. In Chrome the page does not open without the network.",
        ]
    variants = read_json_object(site / "models.json", remedy="make the page again").get("variants") or []
    engine = (
        "the model runs on one thread, slowly"
        if "single" in variants
        else 'the model does not run: its engine needs threads (or variants = ["threads", "single"] under [wasm])'
    )
    return [
        f"Without https browsers give no threads: {engine}. Nor is the model kept there, its pieces are not checked by "
        "their hashes, and the page does not open without the network. With --certificate it is https."
    ]


def _addresses() -> Iterator[str]:
    """Private IPv4 addresses of the interfaces that are up, those of containers and bridges last."""
    import psutil

    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    virtual = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "tun", "tap", "utun", "zt")
    for name in sorted(up, key=lambda one: (one.startswith(virtual), one)):
        for one in psutil.net_if_addrs().get(name, ()):
            if one.family == socket.AF_INET and _is_local_network(one.address):
                yield one.address


def _is_local_network(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_private and not (found.is_loopback or found.is_link_local or found.is_unspecified)


def _way_out() -> str:
    """The address that this machine would send from; "" where it has no way to anywhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(NOWHERE)
        except OSError:
            return ""
        return str(asked.getsockname()[0])
