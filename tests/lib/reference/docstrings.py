"""What stands below a name of a class: Python forgets these docstrings, the source has them."""

from __future__ import annotations

import ast
import inspect
import textwrap

__all__ = ["below_names", "in_line"]


def below_names(kind: type) -> dict[str, str]:
    """Return what is said of each attribute of a class, by its name; "" where nothing is said."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    told: dict[str, str] = {}
    name = ""
    for each in body.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            name = each.target.id
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            name = each.targets[0].id
        elif name and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            told[name] = in_line(str(each.value.value))
            name = ""
            continue
        else:
            name = ""
            continue
        told.setdefault(name, "")
    return told


def in_line(text: str) -> str:
    """Write a docstring's paragraph as one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")
