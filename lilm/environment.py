"""What a process needs around it before it runs stages, by command line and from Python alike."""

import os
import sys
from pathlib import Path


def prepare() -> None:
    """Set what torch and the builds read from the environment; what is set already stays. A second call does nothing.

    Call it before torch is loaded.
    """
    # OpenMP reads it when torch loads: threads that spin while a neighbour works made training 4 times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # cmake and ninja lie beside python, also when the venv was not activated
    beside, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if path.split(os.pathsep)[0] != beside:
        os.environ["PATH"] = os.pathsep.join([beside, path])
