from __future__ import annotations

from headrace.system import memory


def test_memory_is_given_back_wherever_this_runs() -> None:
    memory.limit_arenas()
    heap = [bytes(1000) for _ in range(10_000)]
    del heap
    memory.trim_heap()
