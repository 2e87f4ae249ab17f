"""Every parser of foreign text, and the running gateway, under input that nobody thought of.

``python -m fuzz [--minutes M] [--seed S] [--only TARGET] [--findings FOLDER]`` goes through the
targets, each for its share of the time in a process of its own, and prints a line for each. What
it finds is written down with the input; ``python -m fuzz --replay FILE`` does that one again.
"""

from __future__ import annotations
