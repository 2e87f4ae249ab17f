"""Changes of an input that formats of text and numbers are sensitive to, drawn by a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence

__all__ = ["Mutator"]

_WORDS = re.compile(rb"[A-Za-z0-9_.-]{2,24}|[^A-Za-z0-9\s]{1,3}")
#: What parsers take for special somewhere.
_ODD: tuple[bytes, ...] = (
    *(b"", b"\0", b"\n", b"\r\n", b"\r", b"\t", b" ", b"\x0b", b"\x85", b"\xa0", b"\xff", b"\xfe"),
    *(b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"\xc3\xa9", b"%00"),
    *(b"0", b"-1", b"1e999", b"-0.0", b"NaN", b"Infinity", b"1_000", b"0x10", b"4294967296"),
    *(b"9223372036854775808", b"9" * 60, b"\xd9\xa1\xd9\xa2", b"\xc2\xb2", b"1e-400", b"00"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[[]]", b'{"a":1}', b"''", b'"', b"'", b"\\", b"#"),
    *(b"..", b"../", b"//", b"/", b"%2f", b"%2e", b"%", b"%zz", b"@", b":", b"[", b"]", b"?", b"&"),
    *(b"http://[", b"http://[::1]", b"http://a:b@c", b"//x", b"http://h:99999/", b"file:///x"),
    *(b"*", b",", b";", b"=", b"<", b">", b"<!", b"<![", b"<!--", b"&#", b"&#x110000;", b"\\ud800"),
)
_NUMBER = re.compile(rb"\d+")


class Mutator:
    """Makes one input out of another."""

    def __init__(
        self, seeds: Sequence[bytes], words: Iterable[bytes], largest: int, seed: int
    ) -> None:
        """`largest` is in bytes."""
        self._random = random.Random(seed)
        found = {word: None for each in seeds for word in _WORDS.findall(each)}
        self._words: list[bytes] = [*words, *_ODD, *list(found)[:400]]
        self._others = list(seeds) or [b""]
        self.largest = largest

    def change(self, data: bytes, seed: int | None = None) -> bytes:
        """Change an input in one or a few places; with a `seed` always in the same way."""
        if seed is not None:
            self._random.seed(seed)
        for _ in range(self._random.choice((1, 1, 1, 2, 2, 3, 5))):
            one: _Change = self._random.choice(_CHANGES)
            data = one(self, data)
        return data[: self.largest]

    def _at(self, data: bytes) -> int:
        return self._random.randrange(len(data) + 1)

    def _part(self, data: bytes) -> tuple[int, int]:
        start = self._at(data)
        length = self._random.choice((1, 2, 4, 8, 16, 64, 256))
        return start, min(len(data), start + self._random.randrange(1, length + 1))

    def _insert(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + self._random.choice(self._words) + data[at:]

    def _overwrite(self, data: bytes) -> bytes:
        start, end = self._part(data)
        return data[:start] + self._random.choice(self._words) + data[end:]

    def _cut(self, data: bytes) -> bytes:
        start, end = self._part(data)
        return data[:start] + data[end:]

    def _byte(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + bytes([self._random.randrange(256)]) + data[at + 1 :]

    def _flip(self, data: bytes) -> bytes:
        at = self._at(data)
        turned = bytes(byte ^ (1 << self._random.randrange(8)) for byte in data[at : at + 1])
        return data[:at] + turned + data[at + 1 :]

    def _word(self, data: bytes) -> bytes:
        """Put another word for a word, so that the grammar around it still holds."""
        found = list(_WORDS.finditer(data))
        if not found:
            return self._insert(data)
        old = self._random.choice(found)
        return data[: old.start()] + self._random.choice(self._words) + data[old.end() :]

    def _number(self, data: bytes) -> bytes:
        found = list(_NUMBER.finditer(data))
        if not found:
            return self._byte(data)
        old = self._random.choice(found)
        most = 10 ** self._random.choice((1, 2, 5, 10, 20, 40))
        new = str(self._random.randrange(most)).encode()
        return data[: old.start()] + new + data[old.end() :]

    def _repeat(self, data: bytes) -> bytes:
        """What stands there once stands there very often: where costs are more than linear."""
        start, end = self._part(data)
        most = max(1, (self.largest - len(data)) // max(1, end - start))
        times = self._random.choice((2, 3, 10, 100, most))
        return data[:start] + data[start:end] * min(times, most) + data[end:]

    def _move(self, data: bytes) -> bytes:
        start, end = self._part(data)
        rest = data[:start] + data[end:]
        at = self._at(rest)
        return rest[:at] + data[start:end] + rest[at:]

    def _lines(self, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        if len(lines) < 2:
            return self._insert(data)
        one, other = self._random.randrange(len(lines)), self._random.randrange(len(lines))
        if self._random.random() < 0.4:
            del lines[one]
        elif self._random.random() < 0.5:
            lines.insert(other, lines[one])
        else:
            lines[one], lines[other] = lines[other], lines[one]
        return b"".join(lines)

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._others)
        start, end = self._part(other)
        at = self._at(data)
        if self._random.random() < 0.3:
            return data[:at] + other[start:]
        return data[:at] + other[start:end] + data[at:]


_Change = Callable[[Mutator, bytes], bytes]
_CHANGES: tuple[_Change, ...] = (
    *(Mutator._insert, Mutator._overwrite, Mutator._cut, Mutator._byte, Mutator._flip),
    *(Mutator._word, Mutator._word, Mutator._number, Mutator._repeat, Mutator._move),
    *(Mutator._lines, Mutator._splice),
)
