"""One sentence: which rank."""

from collections.abc import Mapping
from typing import Any

NEAR = 0.01  # of the bits per byte of all parameters


def chosen(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The smallest rank within NEAR of all parameters in the new language, or None."""
    key = f"bits_per_byte_{report['language']}"
    limit = report["full"]["bits"][key] * (1 + NEAR)
    near = [trial for trial in report["lora"] if trial["bits"][key] <= limit]
    return min(near, key=lambda trial: int(trial["rank"]), default=None)


def answer(report: Mapping[str, Any]) -> str:
    """Which rank to take, what it reaches, and what it costs beside all parameters."""
    full, key = report["full"], f"bits_per_byte_{report['language']}"
    old = f"bits_per_byte_{report['base_language']}"
    best = chosen(report)
    if best is not None:
        return (
            f"Take rank {best['rank']}: in {report['steps']} steps it reaches {best['bits'][key]:.3f} bits per byte of "
            f"{report['language']} (all parameters: {full['bits'][key]:.3f}) and {best['bits'][old]:.3f} of "
            f"{report['base_language']} ({full['bits'][old]:.3f}), trains "
            f"{best['trained'] / full['trained']:.0%} as many parameters and needs {best['memory'] / 1e9:.2f} GB "
            f"instead of {full['memory'] / 1e9:.2f} GB."
        )
    if not report["lora"]:
        return "The model is narrower than every rank asked for: train all parameters."
    close = min(report["lora"], key=lambda trial: float(trial["bits"][key]))
    lost = close["bits"][key] / full["bits"][key] - 1
    return (
        f"Train all parameters if they fit ({full['memory'] / 1e9:.2f} GB): no rank comes within {NEAR:.0%} of their "
        f"{full['bits'][key]:.3f} bits per byte of {report['language']} in {report['steps']} steps; rank "
        f"{close['rank']} is nearest, {lost:.1%} worse, with {close['memory'] / 1e9:.2f} GB."
    )
