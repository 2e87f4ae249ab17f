"""Our dataclasses are the standard library's, made in less time."""

from __future__ import annotations

import abc
import ast
import copy
import dataclasses
import inspect
import operator
import pickle
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, InitVar, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from headrace import values

ROOT = Path(__file__).resolve().parents[2]


def both(*, frozen: bool = True, order: bool = False) -> Any:
    """The same class, by the standard library and by us."""

    def described() -> type:
        class Thing:
            """What has every kind of field."""

            kind: ClassVar[str] = "thing"
            name: str
            secret: str = field(repr=False)
            size: int = 3
            seen: list[int] = field(default_factory=list, compare=False)
            mark: int = field(default=7, init=False)
            last: int = field(default=0, kw_only=True)

            def __post_init__(self) -> None:
                if self.size < 0:
                    raise ValueError("a size")

            @property
            def twice(self) -> int:
                return 2 * self.size

        return Thing

    makers: tuple[Callable[..., Any], ...] = (dataclass, values.dataclass)
    return [make(frozen=frozen, slots=True, order=order)(described()) for make in makers]


@pytest.mark.parametrize("frozen", [True, False])
def test_they_are_made_compared_and_shown_as_the_standard_librarys(*, frozen: bool) -> None:
    for made in zip(*(told(each) for each in both(frozen=frozen)), strict=True):
        assert made[0] == made[1]


def told(kind: Any) -> list[object]:
    """All that can be seen of a class by its objects."""
    one, two = kind("a", "s"), kind("a", "s", 3, [1], last=0)
    other = kind("a", secret="t", last=4)
    changed = dataclasses.replace(one, size=9)
    return [
        (repr(one), repr(changed), one.twice, changed.twice, other.mark, kind.kind),
        (one == two, one == other, one == "a", one != changed),
        kind.__hash__ and (hash(one) == hash(two), len({one, two, other})),
        dataclasses.asdict(other),
        [(each.name, each.type, each.init) for each in dataclasses.fields(kind)],
        (kind.__match_args__, kind.__doc__, kind.__slots__, kind.__init__.__annotations__),
        [raised(lambda: kind("a", "s", size=-1)), raised(lambda: kind("a"))[0]],
        [raised(lambda: setattr(one, "size", 4)), raised(lambda: delattr(other, "size"))],
        copy.copy(two) == two,
        copy.deepcopy(two).seen,
    ]


def raised(function: Callable[[], object]) -> tuple[str, str]:
    try:
        function()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the same
        return type(error).__name__, str(error)
    return "", ""


def test_ordered_ones_are_ordered_by_their_fields() -> None:
    for kind in both(order=True):
        small, large = kind("a", "s", 1), kind("a", "s", 2)
        assert small < large
        assert small <= large
        assert large > small
        assert large >= small
        assert sorted([large, small]) == [small, large]
        with pytest.raises(TypeError, match="not supported"):
            _ = small < 1


def described(annotations: dict[str, Any], *parents: type, **more: object) -> type:
    """A class with these fields, that is to be made a dataclass."""
    return type("Kind", parents, {"__annotations__": annotations, "__doc__": "One."} | more)


def initial_value(make: Any) -> list[object]:
    def after(self: Any, twice: bool) -> None:  # noqa: FBT001 - as it is called
        object.__setattr__(self, "name", self.name * (1 + twice))

    told = {"name": "str", "twice": InitVar[bool]}
    thing = make(frozen=True, slots=True)(described(told, twice=False, __post_init__=after))
    return [repr(thing("a")), repr(thing("a", twice=True)), str(inspect.signature(thing))]


def ordered_and_changeable(make: Any) -> list[object]:
    thing = make(slots=True, order=True)(described({"size": "int"}))
    one = thing(1)
    one.size = 2
    return [one > thing(1), raised(lambda: hash(one))]


def a_standard_child(make: Any, *, frozen: bool = True) -> list[object]:
    """As a plugin makes it."""
    standard: Any = dataclass
    thing = make(frozen=True, slots=True)(described({"name": "str"}))
    more = standard(frozen=frozen)(described({"size": "int"}, thing, size=1))
    return [repr(more("a")), more("a") == more("a"), raised(lambda: setattr(more("a"), "name", 1))]


def a_standard_child_that_changes(make: Any) -> list[object]:
    return a_standard_child(make, frozen=False)


def a_standard_parent(make: Any, *, frozen: bool = True) -> list[object]:
    standard: Any = dataclass
    thing = standard(frozen=frozen)(described({"name": "str"}))
    more = make(frozen=True, slots=True)(described({"size": "int"}, thing, size=1))
    return [repr(more("a")), len({more("a"), more("a")}), raised(lambda: delattr(more(""), "name"))]


def a_standard_parent_that_changes(make: Any) -> list[object]:
    return a_standard_parent(make, frozen=False)


def no_hash(make: Any) -> list[object]:
    thing = make(frozen=True, slots=True)(described({"name": "str"}, __hash__=None))
    return [raised(lambda: hash(thing("a")))]


def setting_of_its_own(make: Any) -> object:
    return make(frozen=True, slots=True)(described({}, __setattr__=setattr))


def order_of_its_own(make: Any) -> object:
    return make(frozen=True, slots=True, order=True)(described({}, __ge__=operator.is_))


def module_that_is_nowhere(make: Any) -> list[object]:
    kind = described({"a": int}, __module__="nowhere")
    return [repr(make(frozen=True, slots=True)(kind)(1))]


def names_of_the_makers(make: Any) -> list[object]:
    names = ("self", "_set_self", "_from_factory", "_default_x", "object", "__write")
    kind = described(dict.fromkeys(names, "int"))
    return [repr(make(frozen=frozen, slots=True)(kind)(*names)) for frozen in (False, True)]


def what_was_abstract(make: Any) -> list[object]:
    class Abstract(abc.ABC):
        __slots__ = ()

        @abc.abstractmethod
        def __repr__(self) -> str: ...

    return [repr(make(frozen=True, slots=True)(described({}, Abstract))())]


def defaults_out_of_order(make: Any) -> object:
    return make(frozen=True, slots=True)(described({"a": "int", "b": "int"}, a=1))


def wrong_calls(make: Any) -> list[object]:
    told = {"name": "str", "seen": "list[int]"}
    kind = make(frozen=True, slots=True)(described(told, seen=field(default_factory=list)))
    wrong: list[Callable[[], object]] = [
        kind,
        lambda: kind("a", [], 1),
        lambda: kind("a", size=1),
        lambda: kind("a", name="b"),
    ]
    return [*map(raised, wrong), str(inspect.signature(kind))]


@pytest.mark.parametrize(
    "rare",
    [
        initial_value,
        ordered_and_changeable,
        a_standard_child,
        a_standard_child_that_changes,
        a_standard_parent,
        a_standard_parent_that_changes,
        no_hash,
        setting_of_its_own,
        order_of_its_own,
        module_that_is_nowhere,
        names_of_the_makers,
        what_was_abstract,
        defaults_out_of_order,
        wrong_calls,
    ],
    ids=lambda rare: rare.__name__,
)
def test_what_is_rare_is_as_the_standard_library_has_it(rare: Callable[[Any], object]) -> None:
    assert outcome(rare, dataclass) == outcome(rare, values.dataclass)


def outcome(rare: Callable[[Any], object], make: Any) -> tuple[list[object], str, str]:
    found: list[object] = []
    error, text = raised(lambda: found.append(rare(make)))
    is_class = [isinstance(each, type) for each in found] == [True]
    # What it says of an error differs between Pythons, and says as much.
    return [] if is_class else found, error, text.split(" in class")[0].split(" follows")[0]


@values.dataclass(frozen=True, slots=True)
class Parent:  # noqa: PLW1641 - the decorator gives it one
    """A value."""

    name: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parent)


@values.dataclass(frozen=True, slots=True)
class Child(Parent):
    """A value that has more."""

    size: int = 1


class Grown(Child):
    """No dataclass itself, and so with attributes of its own."""


def test_what_a_class_defines_stays() -> None:
    assert Parent("a") == Parent("b")
    assert hash(Parent("a")) != hash(Parent("b"))


def test_a_child_has_its_parents_fields_first() -> None:
    assert repr(Child("a", 2)) == "Child(name='a', size=2)"
    assert Child("a") != Child("b")
    with pytest.raises(FrozenInstanceError, match="'name'"):
        Child("a").name = "b"  # type: ignore[misc]


def test_nothing_else_can_be_set() -> None:
    """Python 3.11's own end in an error about `super` here."""
    with pytest.raises(FrozenInstanceError, match="'more'"):
        Child("a").more = 1  # type: ignore[attr-defined]


def test_whoever_comes_from_one_may_have_attributes_that_are_no_fields() -> None:
    grown = Grown("a")
    grown.more = 1  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError, match="'size'"):
        grown.size = 2  # type: ignore[misc]


def test_they_go_to_other_processes() -> None:
    assert repr(pickle.loads(pickle.dumps(Child("a", 5)))) == repr(Child("a", 5))


def test_of_each_one_function_is_compiled_where_python_3_11_has_six() -> None:
    """What that saves is measured by `benchmarks`."""
    assert compiled(values.dataclass) == 1
    assert compiled(dataclass) >= 1  # or this would not see any


def compiled(make: Callable[..., Any]) -> int:
    kind = type("Kind", (), {"__annotations__": {"a": "int", "b": "int"}, "__doc__": "One."})
    count = 0

    def watch(_frame: object, event: str, called: object) -> None:
        nonlocal count
        count += event == "c_call" and called is exec

    sys.setprofile(watch)
    try:
        make(frozen=True, slots=True)(kind)
    finally:
        sys.setprofile(None)
    return count


#: Written into programs that have nothing else of ours, or made in a way that ours does not know.
_OTHERS = {"headrace_conda_inside", "at_start"}


def test_every_frozen_value_with_slots_is_made_so() -> None:
    wrong = []
    for folder in ("shared", "plugins"):
        for path in (ROOT / folder).rglob("*.py"):
            if _OTHERS & set(path.parts):
                continue
            text = path.read_text("utf-8")
            names = {
                alias.name
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
                for alias in node.names
            }
            if "dataclass" in names and "frozen=True, slots=True" in text:
                wrong.append(path.relative_to(ROOT).as_posix())
    assert wrong == []
