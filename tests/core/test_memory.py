"""What is freed leaves the process."""

import subprocess
import sys

import pytest

# Every other block is freed, so that none of the holes lies at the heap's end.
FREE_HALF = """
import gc, sys, psutil
from lilm.memory import give_back_freed_memory, trim_memory
if sys.argv[1] == "at once":
    give_back_freed_memory()
blocks = [bytearray(b"x" * 100_000) for _ in range(2000)]
full = psutil.Process().memory_info().rss
cycle = blocks[::2]
cycle.append(cycle)
del blocks[::2], cycle
trim_memory() if sys.argv[1] == "asked" else gc.collect()
print(full - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_memory_that_is_freed_between_what_is_in_use_goes_back_to_the_system() -> None:
    """What only a cycle holds too, when it is asked for."""
    kept, at_once, asked = (
        int(subprocess.run([sys.executable, "-c", FREE_HALF, word], capture_output=True, text=True, check=True).stdout)
        for word in ("collected", "at once", "asked")
    )
    assert min(at_once, asked) > 80e6, "of 100 MB"
    assert kept < at_once / 2, "by itself glibc keeps most: then it is not needed any more"
