"""Reads a Hugging Face folder's weights one tensor at a time, over all its safetensors files."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from safetensors import SafetensorError, safe_open

from lilm.errors import LilmError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
REMEDY = "write the folder again (`lilm run --from finetune`), or fetch it again"


class Weights:
    """The tensors of a folder, by name; use it in a `with`. Only what is asked for is read.

    Raises LilmError naming the file when one is missing, truncated or not safetensors.
    """

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        self._paths: dict[str, Path] = {}
        index = folder / INDEX
        try:
            if index.is_file():
                for file in sorted(set(_weight_map(index).values())):
                    self._add(folder / file)
                missing = sorted(set(_weight_map(index)) - set(self._files))
                if missing:
                    raise LilmError(f"no tensor {missing[0]} in the files it names", where=str(index), remedy=REMEDY)
            else:
                self._add(folder / SINGLE)
        except BaseException:
            self._stack.close()
            raise

    def _add(self, path: Path) -> None:
        if not path.is_file():
            raise LilmError("no such file", where=str(path), remedy=REMEDY)
        try:
            file = self._stack.enter_context(safe_open(path, framework="pt"))
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, error) from error
        for name in file.keys():  # noqa: SIM118 - a handle, not a dict
            self._files[name], self._paths[name] = file, path

    @property
    def names(self) -> list[str]:
        return sorted(self._files)

    def path(self, name: str) -> Path:
        """The file that holds the tensor."""
        return self._paths[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def tensor(self, name: str) -> Any:
        """The tensor as a torch tensor of its own type. Raises LilmError when its bytes cannot be read."""
        try:
            return self._files[name].get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise _unreadable(self._paths[name], error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _weight_map(index: Path) -> Mapping[str, str]:
    try:
        return dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    except (ValueError, KeyError, TypeError) as error:
        raise LilmError(f"not an index of safetensors files ({error})", where=str(index), remedy=REMEDY) from error


def _unreadable(path: Path, error: Exception) -> LilmError:
    return LilmError(f"corrupt or truncated safetensors ({error})", where=str(path), remedy=REMEDY)
