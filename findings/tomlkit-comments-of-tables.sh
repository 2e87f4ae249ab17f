#!/usr/bin/env bash
# tomlkit 0.15.2, with the tables of an array that each have a comment above them.
#
# Expected of a library that keeps comments: a table that is deleted takes the comment above it
# along, and the comments of the others stay with them; a new key at the top stands above the comment
# of the table that follows.
# Seen: the comment of the deleted table stays and stands above the next one, whose own comment is
# gone. And the new key stands between a table's comment and the table.
set -u
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q tomlkit==0.15.2 || exit 2
exec "$folder/venv/bin/python" - <<'PY'
import sys

import tomlkit

two = '# on campus\n[[mirror]]\nid = "a"\n\n# at home\n[[mirror]]\nid = "b"\n'
document = tomlkit.parse(two)
del document["mirror"][0]
left = tomlkit.dumps(document)
print(f"after the first table was deleted:\n{left}")

document = tomlkit.parse('# on campus\n[[mirror]]\nid = "a"\n')
document["port"] = 7
added = tomlkit.dumps(document)
print(f"after a key was added:\n{added}")

as_seen = (
    '# on campus\n[[mirror]]\nid = "b"\n' in left
    and "at home" not in left
    and added.startswith("# on campus\nport = 7\n")
)
sys.exit(0 if as_seen else 1)
PY
