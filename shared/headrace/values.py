"""Dataclasses that are made in a quarter of the time.

A command loads a hundred of them and a gateway three hundred, and before Python 3.13 `dataclasses`
writes six functions as text for each and compiles them one by one: a fifth of what a start cost.
Here only ``__init__`` is text; the others are the same few functions for all classes. What they do
is what the standard library's do, and `dataclasses.fields`, `replace` and `asdict` take them as
theirs.
"""

from __future__ import annotations

import operator
import sys
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as _standard
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass

__all__ = ["dataclass"]


if not TYPE_CHECKING:  # to a type checker it is the standard library's

    def dataclass(
        *, slots: bool, frozen: bool = False, order: bool = False
    ) -> Callable[[type], type]:
        """Make a dataclass as `dataclasses.dataclass` does; `slots` is always True."""
        assert slots
        if order:
            return lambda described: _ordered(_frozen(described))
        return _frozen if frozen else _changeable


def _changeable(described: type) -> Any:
    own = vars(described)
    made: Any = _standard(init=False, repr=False, eq=False, slots=True)(described)
    every = fields(made)
    _define(made, own, __init__=_init_of(made, every, frozen=False), __repr__=_repr)
    if "__eq__" not in own:
        made.__eq__ = _eq_by(_key_of([each for each in every if each.compare]))
        if "__hash__" not in own:
            made.__hash__ = None
    return made


def _frozen(described: type) -> Any:
    own = vars(described)
    made: Any = _standard(init=False, repr=False, eq=False, slots=True)(described)
    every = fields(made)
    compared = _key_of([each for each in every if each.compare])
    hashed = [each for each in every if (each.compare if each.hash is None else each.hash)]
    _define(
        made,
        own,
        __init__=_init_of(made, every, frozen=True),
        __repr__=_repr,
        __eq__=_eq_by(compared),
        __getstate__=_get_state,
        __setstate__=_set_state,
    )
    if own.get("__hash__") is None:  # Python sets that beside an ``__eq__``
        made.__hash__ = _hash_by(_key_of(hashed))
    names = frozenset(each.name for each in every)

    def refused(self: object, name: str) -> bool:
        return type(self) is made or name in names

    def set_attribute(self: object, name: str, value: object) -> None:
        if refused(self, name):
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(made, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        if refused(self, name):
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(made, self).__delattr__(name)

    made.__setattr__ = set_attribute
    made.__delattr__ = delete_attribute
    return made


def _ordered(made: type) -> type:
    key = _key_of([each for each in fields(made) if each.compare])

    def by(compare: Callable[[Any, Any], Any]) -> Callable[[Any, object], Any]:
        def compared(self: Any, other: object) -> Any:
            if other.__class__ is not self.__class__:
                return NotImplemented
            return compare(key(self), key(other))

        return compared

    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        setattr(made, f"__{compare.__name__}__", by(compare))
    return made


def _define(made: type, own: Any, **methods: object) -> None:
    """Give a class what it has not defined by itself."""
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)


# ------------------------------------------------------------------ the one that is text

#: Stands for an argument that was not given, where a factory makes the value.
_FROM_FACTORY = object()


def _init_of(made: Any, every: tuple[Field[Any], ...], *, frozen: bool) -> Callable[..., None]:
    """Write ``__init__``: the hottest of them, so it is as quick as one that was typed."""
    values: dict[str, Any] = {}
    positional = ["self"]
    named: list[str] = []
    body: list[str] = []
    for each in every:
        name, value = each.name, each.name
        default = ""
        if each.default is not MISSING:
            values[f"_default_{name}"] = each.default
            default = f"=_default_{name}"
        elif each.default_factory is not MISSING:
            values[f"_make_{name}"] = each.default_factory
            values["_from_factory"] = _FROM_FACTORY
            default = "=_from_factory"
            value = f"_make_{name}() if {name} is _from_factory else {name}"
        if each.init:
            (named if each.kw_only else positional).append(f"{name}{default}")
        elif default:
            value = f"_make_{name}()" if f"_make_{name}" in values else f"_default_{name}"
        else:
            continue
        if frozen:
            # Of a slot, or, where it is a parent's without slots, of anything.
            slot: Any = getattr(made, name, None)
            own = isinstance(slot, MemberDescriptorType)
            values[f"_set_{name}"] = slot.__set__ if own else _setter(name)
            body.append(f"  _set_{name}(self, {value})")
        else:
            body.append(f"  self.{name} = {value}")
    if hasattr(made, "__post_init__"):
        body.append("  self.__post_init__()")
    words = ", ".join([*positional, *(["*", *named] if named else [])])
    text = f"def _write({', '.join(values)}):\n def __init__({words}):\n"
    text += "\n".join(body or ["  pass"]) + "\n return __init__"
    found: dict[str, Any] = {}
    exec(text, vars(sys.modules[made.__module__]), found)  # noqa: S102 - as `dataclasses` has it
    init: Callable[..., None] = found["_write"](**values)
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__annotations__ = {each.name: each.type for each in every if each.init}
    init.__annotations__["return"] = None
    return init


def _setter(name: str) -> Callable[[object, object], None]:
    return lambda self, value: object.__setattr__(self, name, value)


# ------------------------------------------------------------------ the same for all


@recursive_repr("...")
def _repr(self: Any) -> str:
    told = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr]
    return f"{type(self).__qualname__}({', '.join(told)})"


def _key_of(compared: list[Field[Any]]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives the values of some fields in one step."""
    names = [each.name for each in compared]
    if len(names) > 1:
        return operator.attrgetter(*names)
    if not names:
        return lambda _: ()
    only = operator.attrgetter(names[0])
    return lambda value: (only(value),)


def _eq_by(key: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], Any]:
    def eq(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return key(self) == key(other)

    return eq


def _hash_by(key: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def hash_of(self: Any) -> int:
        return hash(key(self))

    return hash_of


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
