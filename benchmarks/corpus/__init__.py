"""The files that the lab serves: made at run time, the same on every machine, incompressible."""

from __future__ import annotations

from benchmarks.corpus.corpus import UNCHECKED, Corpus, Wheel, single_wheel, standard

__all__ = ["UNCHECKED", "Corpus", "Wheel", "single_wheel", "standard"]
