#!/usr/bin/env bash
# pytest-xdist 3.8.0 with pytest 9.2.0: `--dist loadgroup` keeps no group together.
#
# Expected, as xdist's documentation has it: all tests marked with one xdist_group run in one worker.
# Seen: with pytest 9.1.0 they do; with pytest 9.2.0 they are spread over the workers, without a
# word. xdist appends "@group" to an item's node id while tests are collected and splits by it
# later; the id that reaches its scheduler no longer has it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > test_groups.py <<'PY'
import os, time, pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("n", range(12))
def test_member(n):
    time.sleep(0.05)
    with open("workers", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
PY
workers() {
    python3 -m venv "env-$1"
    "env-$1/bin/pip" install -q --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0 || exit 2
    rm -f workers
    "env-$1/bin/python" -m pytest -q -p no:cacheprovider -n 3 --dist loadgroup >/dev/null
    sort -u workers | wc -l
}
before=$(workers 9.1.0)
after=$(workers 9.2.0)
echo "workers that ran one group: $before with pytest 9.1.0, $after with pytest 9.2.0"
[ "$before" -eq 1 ] && [ "$after" -gt 1 ]
