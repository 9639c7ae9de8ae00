"""Declares kernels, and compiles them when told to: an import costs nothing, and every kernel also runs uncompiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Kernel(Generic[P, R]):
    """One loop with the signature it is compiled for. Calling it runs what there is: compiled, or plain Python."""

    signature: str
    plain: Callable[P, R]
    compiled: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return (self.compiled or self.plain)(*args, **kwargs)

    @property
    def name(self) -> str:
        return self.plain.__name__


KERNELS: list[Kernel[..., Any]] = []


def kernel(signature: str) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Declare a kernel with its numba signature."""

    def declare(plain: Callable[P, R]) -> Kernel[P, R]:
        made = Kernel(signature, plain)
        KERNELS.append(made)
        return made

    return declare


def warm_up() -> str:
    """Compile every kernel, or load it from the cache; "numba", or why it stays with "python: …".

    Takes 0.5 s from a warm cache and a few seconds without; call it in a thread, after the page listens. The cache
    directory belongs to one process (numba can crash when two write it). `MemoryDenyWriteExecute` forbids all this.
    """
    try:
        import numba  # noqa: PLC0415 - 0.45 s and 70 MB that a machine without it must not pay at import
    except ImportError as error:
        return f"python: numba is not here ({error})"
    for one in KERNELS:
        try:
            one.compiled = numba.njit(one.signature, nogil=True, cache=True)(one.plain)
        except (RuntimeError, OSError, numba.NumbaError) as error:
            return f"python: {type(error).__name__}: {str(error).splitlines()[0]}"
    return "numba"
