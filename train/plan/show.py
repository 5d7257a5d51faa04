"""`lilm plan`: from a recipe and a machine's name to the table."""

from typing import Any

from lilm.progress import Reporter
from lilm.recipe import Recipe
from lilm.train.plan.estimate import plan
from lilm.train.plan.hardware import named_hardware
from lilm.train.plan.table import plan_table

HERE = "here"


def show_plan(
    recipe: Recipe,
    hardware: str,
    reporter: Reporter,
    count: int | None = None,
    tokens: int | None = None,
    zero: int | None = None,
    seconds: float = 30.0,
) -> dict[str, Any]:
    """Print the plan and answer it as JSON.

    hardware: a name, also with a count (`rtx3090x2`), or "here", which trains for `seconds` to see. count: devices,
    instead of the one in the name. Raises LilmError as `plan` and `named_hardware`.
    """
    if hardware == HERE:
        from lilm.train.plan.calibrate import this_machine

        machine, named = this_machine(recipe, reporter, seconds), 1
    else:
        machine, named = named_hardware(hardware)
    made = plan(recipe, machine, named if count is None else count, tokens, zero)
    reporter.console.print(plan_table(made))
    return made.as_json()
