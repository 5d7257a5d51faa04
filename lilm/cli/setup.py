"""`lilm setup`: what the doctor finds missing, fetched where LiLM can; of the rest the command that installs it."""

from collections.abc import Sequence

from lilm.cli.doctor import BAD, NEEDS, Finding, Need, show_findings
from lilm.errors import LilmError
from lilm.progress import Reporter


def set_up(reporter: Reporter, needs: Sequence[Need] = NEEDS) -> int:
    """Fetch what is missing or too old, into folders of LiLM's own; then the doctor's table, and its exit code.

    What cannot be fetched is told in a line, and the others are fetched all the same.
    """
    return show_findings(findings=[_brought(need, reporter) for need in needs])


def _brought(need: Need, reporter: Reporter) -> Finding:
    """The finding once all was done that can be done here."""
    found = need.find()
    if found.status not in BAD or need.fetch is None:
        return found
    reporter.say(f"{found.name}: {found.status}; needed for {found.needed_for}")
    try:
        need.fetch(reporter)
    except LilmError as error:
        reporter.say(f"  not fetched: {error.line()}")
    return need.find()
