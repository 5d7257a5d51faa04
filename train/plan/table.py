"""The plan as a table for the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lilm.report.narrow import Narrowed
from lilm.report.units import count, size, three_digits
from lilm.train.plan.estimate import DAY, Phase, Plan


def time_span(days: float) -> str:
    """
    >>> time_span(100), time_span(0.5), time_span(0.001)
    ('100 days', '12.0 hours', '1.44 minutes')
    """
    for value, unit in ((days, "days"), (days * 24, "hours")):
        if value >= 1:
            return f"{three_digits(value)} {unit}"
    return f"{three_digits(days * 1440)} minutes"


def short(number: float) -> str:
    """
    >>> short(50e9), short(18_400_000), short(999)
    ('50.0 G', '18.4 M', '999')
    """
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= scale:
            return f"{three_digits(number / scale)} {letter}"
    return three_digits(number)


def plan_table(plan: Plan) -> RenderableType:
    """All figures, a column for each stage, and below it what does not fit."""
    devices = f"{plan.count} × {plan.hardware.title}" if plan.count > 1 else plan.hardware.title
    table = Table(title=f"{plan.recipe} on {devices}", title_justify="left")
    table.add_column("")
    for phase in plan.phases:
        table.add_column(phase.name, justify="right")
    rows = [
        ("parameters", [count(plan.shape.parameters)] * len(plan.phases)),
        ("… that learn", [count(phase.trained) for phase in plan.phases]),
        ("FLOPs per token", [short(phase.flops.model) for phase in plan.phases]),
        ("… executed", [short(phase.flops.executed) for phase in plan.phases]),
        ("tokens", [short(phase.tokens) for phase in plan.phases]),
        ("tokens/s", [three_digits(phase.tokens_per_s) for phase in plan.phases]),
        ("time", [time_span(phase.days) for phase in plan.phases]),
    ]
    for name in ("weights", "gradients", "optimizer", "casts", "activations", "logits"):
        rows.append((f"memory: {name}", [size(getattr(phase.memory, name)) for phase in plan.phases]))
    rows.append(("memory of a device", [_filled(phase, plan.hardware.memory) for phase in plan.phases]))
    for name, values in rows:
        table.add_row(name, *values)
    lines = [
        f"in all: {time_span(plan.days)}, of which {time_span(plan.beside.measuring / DAY)} of measurements and "
        f"{time_span(plan.beside.saving / DAY)} of checkpoints",
        f"host memory {size(plan.host)} · disk {size(plan.disk.total)} "
        f"(tokens {size(plan.disk.tokens)}, checkpoints {size(plan.disk.checkpoints)}, model {size(plan.disk.model)}, "
        f"exports {size(plan.disk.exports)})",
        f"speed: {plan.hardware.utilisation:.0%} of {plan.hardware.peak / 1e12:,.4g} TFLOP/s, {plan.hardware.kind}: "
        + plan.hardware.source,
        *(f"does not fit: {warning}" for warning in plan.warnings),
        *(f"  would fit: {remedy}" for remedy in plan.remedies),
    ]
    return Group(Narrowed(table), *(Text(line) for line in lines))


def _filled(phase: Phase, room: float) -> str:
    return f"{size(phase.memory.total)} of {size(room)}"
