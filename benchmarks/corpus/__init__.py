"""The files that the lab serves: made at run time, the same on every machine, incompressible."""

from __future__ import annotations

from benchmarks.corpus.channel import Channel, CondaPackage, environment, single_package
from benchmarks.corpus.corpus import UNCHECKED, Corpus, Wheel, dozens, single_wheel, standard
from benchmarks.corpus.kept import Tree

__all__ = [
    "UNCHECKED",
    "Channel",
    "CondaPackage",
    "Corpus",
    "Tree",
    "Wheel",
    "dozens",
    "environment",
    "single_package",
    "single_wheel",
    "standard",
]
