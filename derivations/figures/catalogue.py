"""The figures, one line each."""

from __future__ import annotations

from derivations.figures.bulk import BULK
from derivations.figures.depth import DEPTH
from derivations.figures.learning_rate import LEARNING_RATE
from derivations.figures.phase import PHASE
from derivations.figures.record import Picture
from derivations.figures.sharpness import SHARPNESS_REDUCTION
from derivations.figures.spectrum import SPECTRUM
from derivations.figures.verdicts import OVERVIEW
from derivations.figures.width import WIDTH

FIGURES: dict[str, Picture] = {
    one.name: one
    for one in (
        WIDTH,
        SPECTRUM,
        LEARNING_RATE,
        BULK,
        DEPTH,
        PHASE,
        SHARPNESS_REDUCTION,
        OVERVIEW,
    )
}
