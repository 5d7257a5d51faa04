"""The devices of devices.toml."""

import tomllib
from difflib import get_close_matches
from importlib.resources import files

from lilm.fit.device import Device

LIKE = 0.4  # of 1, how much a suggestion must be like a name


def load_devices() -> dict[str, Device]:
    """All of them by name: tabs first, each kind from what may use least."""
    rows = tomllib.loads((files("lilm.fit.known") / "devices.toml").read_text(encoding="utf-8"))
    devices = [Device(name, **row) for name, row in rows.items()]
    return {one.name: one for one in sorted(devices, key=lambda one: (one.kind == "app", one.may_use_mb, one.name))}


def find_device(name: str) -> Device:
    """Raises ValueError, with names that are like it, when there is none."""
    devices = load_devices()
    if name in devices:
        return devices[name]
    like = get_close_matches(name.lower(), devices, cutoff=LIKE)
    known = f"is it {' or '.join(like)}?" if like else f"known: {', '.join(devices)}"
    raise ValueError(f"no device {name!r}; {known}")
