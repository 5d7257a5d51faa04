"""Which file to ship for each kind of device, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lilm.export.quality.opened import REFERENCE
from lilm.export.quality.page.choice import BOUND, Choice, Row, choose, rises
from lilm.report.languages import language_name
from lilm.report.units import count, three_digits

Device = Mapping[str, Any]
IPHONE, IPAD, ANDROID = "iPhone", "iPad", "Android phone"
COMPUTER = "laptop or desktop"
SYSTEMS = {"iOS": IPHONE, "iPadOS": IPAD, "Android": ANDROID}  # by how `os` begins; all else is a computer
ORDER = ("iPhone, in Safari", "Android phone, in its browser", "iPhone, in an app", "Android phone, in an app")
OVER_RULE = f"at most {BOUND:.1%} more bits per byte than F16 in each language"


@dataclass(frozen=True)
class Advice:
    """kind: of device. devices: their names, and what a page or an app may use there. file: what to ship, "" where none
    fits. words: its size and the reason, and where it is so, that the text was too little to tell."""

    kind: str
    devices: str
    file: str
    words: str


def advise(model: Mapping[str, Any]) -> list[Advice]:
    """One for each kind of device, phones first; more where the devices of a kind want different files."""
    fits = model["fits"]
    by_kind: dict[str, list[Device]] = {}
    for device in fits["devices"]:
        by_kind.setdefault(kind_of(device), []).append(device)
    found: list[Advice] = []
    for kind in sorted(by_kind, key=lambda kind: (ORDER.index(kind) if kind in ORDER else len(ORDER), kind)):
        devices = sorted(by_kind[kind], key=lambda one: (one["may_use_mb"], one["device"]))
        said = [(device, *_say(model, device, fits["n_ctx"])) for device in devices]
        for (file, words), same in groupby(said, key=lambda one: one[1:]):
            found.append(Advice(kind, _named([one[0] for one in same]), file, words))
    return found


def kind_of(device: Device) -> str:
    """ "iPhone, in Safari" and so on, by what the system is called and whether it is a page or an app.

    >>> kind_of({"os": "iOS, Safari", "kind": "tab"}), kind_of({"os": "Chrome 83 and newer", "kind": "tab"})
    ('iPhone, in Safari', 'laptop or desktop, in its browser')
    """
    system = SYSTEMS.get(device["os"].split()[0].rstrip(","), COMPUTER)
    if device["kind"] == "app":
        return f"{system}, in an app"
    return f"{system}, in Safari" if system in (IPHONE, IPAD) else f"{system}, in its browser"


def fitting(device: Device, n_ctx: int) -> set[str]:
    """Names of the files that the device has memory for, with a context of n_ctx."""
    return {name for name, longest in device["longest_n_ctx"].items() if longest >= n_ctx}


def _named(devices: Sequence[Device]) -> str:
    least, most = (count(one["may_use_mb"]) for one in (devices[0], devices[-1]))
    names = dict.fromkeys(one["called"] + " with the entitlement" * one["entitlement"] for one in devices)
    return f"{', '.join(names)}: {least if least == most else f'{least} to {most}'} MB"


def _say(model: Mapping[str, Any], device: Device, n_ctx: int) -> tuple[str, str]:
    choice = choose(model, fitting(device, n_ctx))
    if choice.file is None:
        return "", _none_fits(model, device, n_ctx)
    words = _why(choice, choice.file, model["languages"])
    if choice.file["name"] in device["slow"]:
        words += " It is slow there: most of its bytes are of types without kernels."
    if times := device.get("times", {}).get(choice.file["name"]):  # none in a report of an older LiLM
        words += f" Slow there as measured: {'; '.join(times)}."
    return choice.file["quant"], words


def _none_fits(model: Mapping[str, Any], device: Device, n_ctx: int) -> str:
    own = [row for row in model["files"] if not row["control"]]
    best = max(own, key=lambda row: (device["longest_n_ctx"].get(row["name"], 0), -row["mb"]))
    longest = device["longest_n_ctx"].get(best["name"], 0)
    shorter = f"; {best['quant']} does with {count(longest)}" if longest else ", nor with any other"
    return f"No file fits with a context of {count(n_ctx)} tokens{shorter}."


def _why(choice: Choice, file: Row, languages: Sequence[str]) -> str:
    """The figures that decided for `file`, in one sentence, and another one where they do not tell."""
    size = f"{three_digits(file['mb'])} MB"
    if file["method"] == REFERENCE:
        words = f"{size}: no quantised file keeps the bound, and the model fits as it is"
    elif choice.within:
        words = f"{size}: the smallest that fits and keeps the bound ({_figures(file, languages)} bits per byte)"
    else:
        kld = file[f"kld_{languages[0]}"]
        words = f"{size}: of those that fit, none of which keeps the bound, the nearest to F16 (KL divergence {kld:.2g}"
        words += f" nats per token, {_figures(file, languages)} bits per byte)"
    if choice.smaller is not None:
        other = choice.smaller
        words += f"; {other['quant']}, {three_digits(other['mb'])} MB, has {_figures(other, languages)}"
    return f"{words}.{_doubt(choice)}"


def _doubt(choice: Choice) -> str:
    if not choice.unsure:
        return ""
    names = " and ".join(choice.unsure)
    if choice.within:
        return f" Too little to tell: the interval of {names} has the bound in it."
    return f" Too little to tell it from {names}: the interval of their difference has 0 in it."


def _figures(row: Row, languages: Sequence[str]) -> str:
    found = zip(languages, rises(row, languages), strict=True)
    return ", ".join(f"{language_name(lang)} {one['value']:+.2%}" for lang, one in found)
