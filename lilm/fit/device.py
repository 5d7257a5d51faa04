"""A device, and how a model is used on it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from lilm.fit.browser import Use

MB = 1_000_000


@dataclass(frozen=True)
class Device:
    """A row of known/devices.toml, which says what the fields are. name: what recipes call it. kind: an app of its own,
    or a tab, which has wasm memory."""

    name: str
    device: str
    os: str
    ram_mb: int
    kind: Literal["app", "tab"]
    may_use_mb: int
    source: str
    date: str
    confidence: Literal["high", "medium", "low"]
    entitlement: bool = False
    note: str = ""

    @property
    def backend(self) -> Literal["arm", "browser"]:
        """Whose kernels compute: a key of known/type_speed.toml."""
        return "browser" if self.kind == "tab" else "arm"


@dataclass(frozen=True)
class Place:
    """What a file shall fit: a device, and there a context of n_ctx tokens. use: of a page; an app has its own batch,
    and threads whose stacks lie elsewhere."""

    device: Device
    use: Use
    n_ctx: int

    def figures(self) -> dict[str, Any]:
        """All that a file's size depends on."""
        device = {"kind": self.device.kind, "may_use_mb": self.device.may_use_mb}
        return {**device, **asdict(self.use), "n_ctx": self.n_ctx}
