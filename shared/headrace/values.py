"""Dataclasses that are made in a quarter of the time.

A command loads a hundred of them and a gateway three hundred, and before Python 3.13 `dataclasses`
writes six functions as text for each and compiles them one by one: a fifth of what a start cost.
Here only ``__init__`` is text; the others are the same few functions for all classes. What they do
is what the standard library's do, and `dataclasses.fields`, `replace` and `asdict` take them as
theirs.
"""

from __future__ import annotations

import abc
import operator
import sys
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as _standard
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass

__all__ = ["dataclass"]


if not TYPE_CHECKING:  # to a type checker it is the standard library's

    def dataclass(
        *, slots: Literal[True], frozen: bool = False, order: bool = False
    ) -> Callable[[type], type]:
        """Make a dataclass as `dataclasses.dataclass` does."""
        if not slots:
            raise TypeError("these have slots")

        def make(described: type) -> type:
            made = (_frozen if frozen else _changeable)(described)
            if order:
                _order(made, vars(described))
            told = made.__dataclass_params__  # to those who make children of it by the standard way
            told.init = told.repr = told.eq = True
            told.frozen, told.order = frozen, order
            return abc.update_abstractmethods(made)

        return make


def _described(described: type, *, frozen: bool) -> Any:
    """Have its fields and slots made by the standard library, which compiles nothing for that."""
    # It says what may come from what, and to do so must know: of children it makes a little more.
    is_child = any("__dataclass_fields__" in vars(base) for base in described.__mro__[1:])
    told = frozen and is_child
    return _standard(init=False, repr=False, eq=False, slots=True, frozen=told)(described)


def _changeable(described: type) -> Any:
    own = vars(described)
    made = _described(described, frozen=False)
    compared = _key_of([each for each in fields(made) if each.compare])
    _define(
        made, own, __init__=_init_of(made, frozen=False), __repr__=_repr, __eq__=_eq_by(compared)
    )
    if not _has_hash(own):
        made.__hash__ = None
    return made


def _frozen(described: type) -> Any:
    own = vars(described)
    _must_not_have(own, described, "__setattr__", "__delattr__")
    made = _described(described, frozen=True)
    every = fields(made)
    compared = _key_of([each for each in every if each.compare])
    hashed = [each for each in every if (each.compare if each.hash is None else each.hash)]
    _define(
        made,
        own,
        __init__=_init_of(made, frozen=True),
        __repr__=_repr,
        __eq__=_eq_by(compared),
        __getstate__=_get_state,
        __setstate__=_set_state,
    )
    if not _has_hash(own):
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


def _order(made: type, own: Any) -> None:
    _must_not_have(own, made, "__lt__", "__le__", "__gt__", "__ge__")
    key = _key_of([each for each in fields(made) if each.compare])

    def by(compare: Callable[[Any, Any], Any]) -> Callable[[Any, object], Any]:
        def compared(self: Any, other: object) -> Any:
            if other.__class__ is not self.__class__:
                return NotImplemented
            return compare(key(self), key(other))

        return compared

    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        setattr(made, f"__{compare.__name__}__", by(compare))


def _has_hash(own: Any) -> bool:
    """Whether a class says by itself how it is hashed; beside an ``__eq__`` Python says None."""
    return "__hash__" in own and not (own["__hash__"] is None and "__eq__" in own)


def _must_not_have(own: Any, described: type, *names: str) -> None:
    """Refuse what a class defines and would lose."""
    for name in names:
        if name in own:
            raise TypeError(f"Cannot overwrite attribute {name} in class {described.__name__}")


def _define(made: type, own: Any, **methods: object) -> None:
    """Give a class what it has not defined by itself."""
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)


# ------------------------------------------------------------------ the one that is text


class _FromFactory:
    """Stands for an argument that was not given, where a factory makes the value."""

    def __repr__(self) -> str:
        """Say it as signatures show it."""
        return "<factory>"


_FROM_FACTORY = _FromFactory()
#: What kind of field one is, for which the standard library has no public word.
_kind_of = operator.attrgetter("_field_type.name")
_OF_CLASS, _FOR_INIT = "_FIELD_CLASSVAR", "_FIELD_INITVAR"


def _init_of(made: Any, *, frozen: bool) -> Callable[..., None]:
    """Write ``__init__``: the hottest of them, so it is as quick as one that was typed."""
    every = [e for e in made.__dataclass_fields__.values() if _kind_of(e) != _OF_CLASS]
    names = {each.name for each in every}
    # Begins our own names: none of them is a field's.
    mark = "_"
    while any(name.startswith(mark) for name in names):
        mark += "_"
    me = f"{mark}self" if "self" in names else "self"
    values: dict[str, Any] = {f"{mark}from_factory": _FROM_FACTORY}
    positional, named, body = [me], list[str](), list[str]()
    for each in every:
        default, value = _given(each, mark, values)
        if each.init:
            (named if each.kw_only else positional).append(f"{each.name}{default and '='}{default}")
        if _kind_of(each) == _FOR_INIT or not value:
            continue
        if frozen:
            # Of a slot, or, where it is a parent's without slots, of anything.
            slot: Any = getattr(made, each.name, None)
            own = isinstance(slot, MemberDescriptorType)
            values[f"{mark}set_{each.name}"] = slot.__set__ if own else _setter(each.name)
            body.append(f"  {mark}set_{each.name}({me}, {value})")
        else:
            body.append(f"  {me}.{each.name} = {value}")
    _must_be_in_order([each for each in every if each.init and not each.kw_only])
    if hasattr(made, "__post_init__"):
        told = [each.name for each in every if _kind_of(each) == _FOR_INIT]
        body.append(f"  {me}.__post_init__({', '.join(told)})")
    words = ", ".join([*positional, *(["*", *named] if named else [])])
    text = f"def {mark}write({', '.join(values)}):\n def __init__({words}):\n"
    text += "\n".join(body or ["  pass"]) + "\n return __init__"
    found: dict[str, Any] = {}
    module = sys.modules.get(made.__module__)
    exec(text, vars(module) if module else {}, found)  # noqa: S102 - as `dataclasses` has it
    init: Callable[..., None] = found[f"{mark}write"](**values)
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__annotations__ = {each.name: each.type for each in every if each.init}
    init.__annotations__["return"] = None
    return init


def _given(each: Field[Any], mark: str, values: dict[str, Any]) -> tuple[str, str]:
    """Return a field's default and what it is set to, as text; what that names is in `values`."""
    name, made = each.name, f"{mark}make_{each.name}"
    if each.default is not MISSING:
        default = f"{mark}default_{name}"
        values[default] = each.default
        return default, name if each.init else default
    if each.default_factory is not MISSING:
        values[made] = each.default_factory
        default = f"{mark}from_factory"
        return default, f"{made}() if {name} is {default} else {name}" if each.init else f"{made}()"
    return "", name if each.init else ""


def _must_be_in_order(positional: list[Field[Any]]) -> None:
    before = ""
    for each in positional:
        if each.default is not MISSING or each.default_factory is not MISSING:
            before = each.name
        elif before:
            raise TypeError(f"non-default argument {each.name!r} follows default argument")


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
