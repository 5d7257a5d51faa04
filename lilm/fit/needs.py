"""What a model needs on a device, and what the device gives."""

from lilm.fit.browser import HEADROOM, PAGE, SLACK, Use, allocated_bytes, browser_parts
from lilm.fit.device import MB, Device, Place
from lilm.fit.model import Model
from lilm.fit.native import native_parts
from lilm.fit.parts import Parts, longest_context
from lilm.llama.layout import layout
from lilm.llama.shape import Shape


def parts_on(device: Device, model: Model, use: Use, n_ctx: int) -> Parts:
    """What the model takes there once the context is full. use: of a page; of it an app has the kv_type alone."""
    return browser_parts(model, use, n_ctx) if device.kind == "tab" else native_parts(model, n_ctx, use.kv_type)


def needed_bytes(device: Device, model: Model, use: Use, n_ctx: int) -> int:
    """What the device must give: to a page what it asks for at its beginning, to an app what becomes resident."""
    parts = parts_on(device, model, use, n_ctx)
    return allocated_bytes(parts) if device.kind == "tab" else parts.total


def available_bytes(device: Device, use: Use) -> int:
    """What the device gives; to a page not more than the build can use."""
    given = device.may_use_mb * MB
    return min(given, use.limit) if device.kind == "tab" else given


def longest_on(device: Device, model: Model, use: Use) -> int:
    """The longest context that fits there, 0 when none does."""
    most = available_bytes(device, use)
    return longest_context(model.shape, lambda n_ctx: needed_bytes(device, model, use, n_ctx) <= most)


def room_for_weights(place: Place, shape: Shape) -> int:
    """Bytes that are left there for the weights of a model of that shape, 0 when there are none. A vocabulary is taken
    for one with as many merges as pieces."""
    entries = sum(1 for _ in layout(shape))
    rest = parts_on(place.device, Model(shape, entries, 0, 0, n_merges=shape.vocab), place.use, place.n_ctx).total
    given = available_bytes(place.device, place.use)
    if place.device.kind == "tab":
        given = int((given - SLACK - PAGE) / HEADROOM)  # what is asked for is rounded up to a page
    return max(0, given - rest)
