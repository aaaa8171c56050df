"""Parts that any recipe can name: the optimiser Lion, a polynomial schedule, salt-and-pepper noise, the focal loss.

This module only declares them. It imports no torch, because every ``zoo`` command imports it.
"""

from __future__ import annotations

from collections.abc import Callable

import zoo


@zoo.hookimpl
def register_optimizers(register: Callable[[zoo.Optimizer], None]) -> None:
    """Add ``--set optimizer=lion``."""
    register(
        zoo.Optimizer(
            name="lion",
            summary="the sign of a moving average of the gradients (Chen et al., 2023)",
            build="zoo_lion_parts:lion",
            options=(
                zoo.Option(
                    name="betas", default=(0.9, 0.99), help="decay of the update and of the average", minimum=0, below=1
                ),
            ),
        )
    )


@zoo.hookimpl
def register_schedules(register: Callable[[zoo.Schedule], None]) -> None:
    """Add ``--set schedule=polynomial``."""
    register(
        zoo.Schedule(
            name="polynomial",
            summary="a power of the part of the run that is left",
            factor="zoo_lion_parts:polynomial",
            options=(zoo.Option(name="power", default=2.0, help="the exponent; 1: linear", above=0),),
        )
    )


@zoo.hookimpl
def register_augmentations(register: Callable[[zoo.Augmentation], None]) -> None:
    """Add ``--set augment=salt``."""
    register(
        zoo.Augmentation(
            name="salt",
            summary="salt-and-pepper noise on images",
            draw="zoo_lion_parts:draw_salt",
            apply="zoo_lion_parts:apply_salt",
            options=(
                zoo.Option(name="salt", default=0.02, help="fraction of the pixels that change", minimum=0, maximum=1),
            ),
        )
    )


@zoo.hookimpl
def register_losses(register: Callable[[zoo.Loss], None]) -> None:
    """Add ``--set loss=focal``."""
    register(
        zoo.Loss(
            name="focal",
            summary="cross-entropy with less weight on easy samples (Lin et al., 2017)",
            compute="zoo_lion_parts:focal",
            tasks=("classification",),
            options=(zoo.Option(name="gamma", default=2.0, help="how much less; 0: cross-entropy", minimum=0),),
        )
    )
