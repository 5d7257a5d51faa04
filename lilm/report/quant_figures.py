"""The figures of `lilm bench quant` under the names that the stage `bench` has for them."""

from collections.abc import Mapping
from typing import Any


def bench_figures(measured: Mapping[str, Any]) -> dict[str, Any]:
    """measured: one file on one kind of text, as quant/report.json has it. What was not measured is None.

    Raises KeyError and TypeError for what a report of another version has there.
    """
    kld, top = measured["kld_mean"] or {}, measured["same_top"] or {}
    return {
        "bits_per_byte": measured["bits_per_byte"]["value"],
        "kld_mean": kld.get("value"),
        "kld_se": kld.get("se"),
        "kld_ci95": kld.get("ci95"),
        "top1_agreement": top.get("value"),
    }
