"""How LiLM starts a Python process of its own."""

import sys
from pathlib import Path

import lilm


def child_command(module: str) -> list[str]:
    """The command that runs the `main` of `module`. -P keeps the working folder out of the import path; the place of
    this package goes to the path's end."""
    root = Path(lilm.__file__).resolve().parent.parent
    return [
        sys.executable,
        "-P",
        "-c",
        f"import sys; sys.path.append(sys.argv[1]); from {module} import main; main()",
        str(root),
    ]
