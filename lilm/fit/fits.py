"""Which file fits on which device, and with which context."""

from collections.abc import Iterable, Mapping
from typing import Any

from lilm.fit.browser import Use
from lilm.fit.device import Device
from lilm.fit.known.times import slow_words
from lilm.fit.known.types import much_used, slow_types
from lilm.fit.model import Model
from lilm.fit.needs import available_bytes, longest_on, needed_bytes

CONTEXTS = (512, 1024, 2048, 4096)


def contexts_of(model: Model, n_ctx: int = 0) -> list[int]:
    """CONTEXTS, and `n_ctx` where it is one, but none that is longer than the model was trained for."""
    wanted = (*CONTEXTS, *([n_ctx] if n_ctx else []))
    return sorted({min(one, model.shape.context) for one in wanted})


def fit_row(device: Device, model: Model, use: Use, contexts: Iterable[int]) -> dict[str, Any]:
    """One device and one file: the bytes that are needed at each context, the longest one that fits, and the types that
    are slow there."""
    return {
        "device": device.name,
        "kind": device.kind,
        "may_use_bytes": available_bytes(device, use),
        "confidence": device.confidence,
        "source": device.source,
        "needed_bytes": {str(n_ctx): needed_bytes(device, model, use, n_ctx) for n_ctx in contexts},
        "longest_n_ctx": longest_on(device, model, use),
        "slow_types": slow_types(model, device.backend),
    }


def fit_matrix(devices: Iterable[Device], models: Mapping[str, Model], use: Use) -> list[dict[str, Any]]:
    """A row for each device: the longest context for each file, by its name, the files that are slow there, and what
    was measured of slow types in them."""
    return [
        {
            "device": one.name,
            "called": one.device,
            "os": one.os,
            "entitlement": one.entitlement,
            "kind": one.kind,
            "may_use_mb": one.may_use_mb,
            "confidence": one.confidence,
            "source": one.source,
            "longest_n_ctx": {name: longest_on(one, model, use) for name, model in models.items()},
            "slow": sorted(name for name, model in models.items() if slow_types(model, one.backend)),
            "times": {
                name: words for name, model in models.items() if (words := slow_words(much_used(model), one.backend))
            },
        }
        for one in devices
    ]
