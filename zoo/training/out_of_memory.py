"""What a machine cannot do, in words: memory that does not suffice, a network that cannot be compiled."""

from __future__ import annotations

import torch

from ..errors import OutOfMemory, ZooError
from ..specs.hyperparameters import Hyperparameters

# what torch's allocator for the CPU says; that of CUDA has a class of its own
_CPU_WORDS = ("not enough memory", "can't allocate memory")


def out_of_memory(error: BaseException, hyperparameters: Hyperparameters) -> OutOfMemory | None:
    """``error`` as one line that names a batch size to try; None where it is another one."""
    on_cpu = isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU_WORDS)
    if not (on_cpu or isinstance(error, torch.OutOfMemoryError | MemoryError)):
        return None
    size, pieces = hyperparameters.batch_size, hyperparameters.accumulate
    smaller = f"Try --batch-size {size // 2}, or" if size > 1 else "Try"
    return OutOfMemory(
        f"Memory does not suffice for batches of {size} samples. {smaller} --set accumulate={2 * pieces}, which "
        "computes the same in smaller pieces."
    )


def compile_failure(error: BaseException) -> ZooError | None:
    """``error`` as one line where torch.compile failed; None where it is another one."""
    if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return None
    text = " ".join(str(error).split("\n\n")[0].split())
    return ZooError(f"torch.compile failed: {text[:200]}. Train without --compile; the result is the same.")
