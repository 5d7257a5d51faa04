"""What training said, as lines of JSON and as a picture."""

import json
from pathlib import Path

from lilm.disk import write_atomic
from lilm.train.trainer.loop import Metrics


def write_metrics(metrics: Metrics, path: Path) -> None:
    write_atomic(path, "".join(json.dumps(entry) + "\n" for entry in metrics))


def draw_curves(metrics: Metrics, path: Path) -> None:
    """Loss per token, and bits per byte on held-out text, over the steps. The same metrics give the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "lilm", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        steps = [entry for entry in metrics if "loss" in entry]
        left.plot([entry["step"] for entry in steps], [entry["loss"] for entry in steps], linewidth=1)
        left.set(title="training loss (nats per token)", xlabel="step")
        names = sorted({name for entry in metrics for name in entry if name.startswith("bits_per_byte_")})
        for name in names:
            points = [(entry["step"], entry[name]) for entry in metrics if name in entry]
            right.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name.rpartition("_")[2])
        right.set(title="held-out bits per byte", xlabel="step")
        if names:
            right.legend()
        figure.savefig(path, format="svg", metadata={"Date": None})
