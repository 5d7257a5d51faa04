"""The number of threads follows the device: all of them when they have cores, fewer when they wait for each other."""

import json
import subprocess

import pytest

from lilm.wasm.javascript import runtime_dir
from lilm.wasm.toolchain import find_node

SCRIPT = """
import { Threads, counts } from %(module)s;
const { most, phases, start } = %(case)s;
const threads = new Threads(most);
if (start) threads.begin(new Map(start));
const chosen = [];
let n = 0;
for (const { tokens, times } of phases) {
  for (let i = 0; i < tokens; i++) threads.took(times[threads.next] * (n++ %% 3 === 0 ? 1.03 : 1));
  chosen.push(threads.chosen);
}
console.log(JSON.stringify({ chosen, counts: counts(most) }));
"""


def choose(most: int, *phases: tuple[int, dict[int, float]], start: list[tuple[int, float]] | None = None) -> list[int]:
    """The counts chosen at the end of each phase: (tokens, milliseconds by count)."""
    case = {"most": most, "phases": [{"tokens": t, "times": times} for t, times in phases], "start": start}
    script = SCRIPT % {"module": json.dumps((runtime_dir() / "threads.mjs").as_uri()), "case": json.dumps(case)}
    command = [str(find_node()), "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    chosen: list[int] = json.loads(done.stdout)["chosen"]
    return chosen


QUIET = {1: 40.0, 2: 22.0, 4: 14.0, 7: 10.0}
BUSY = {1: 42.0, 2: 60.0, 4: 120.0, 7: 300.0}


def test_a_quiet_device_uses_all() -> None:
    assert choose(7, (300, QUIET)) == [7]
    assert choose(1, (50, QUIET)) == [1]


def test_a_busy_device_uses_fewer_and_goes_back() -> None:
    assert choose(7, (40, QUIET), (60, BUSY), (400, QUIET)) == [7, 1, 7]


def test_the_first_measurement_decides_where_to_begin() -> None:
    assert choose(7, (0, QUIET), start=list(BUSY.items())) == [1]
    assert choose(7, (0, QUIET), start=list(QUIET.items())) == [7]


@pytest.mark.parametrize("most", [2, 3, 8])
def test_noise_does_not_move_the_choice(most: int) -> None:
    times = dict.fromkeys((1, 2, 3, 4, 8), 20.0)
    assert choose(most, (500, times)) == [most]
