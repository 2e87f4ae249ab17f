#!/usr/bin/env bash
# uv 0.13.9, with HTTP_PROXY and NO_PROXY=*.
#
# Expected: no request goes to the proxy, as with pip and curl, which take "*" for every host.
# Seen: a request for http://127.0.0.1 goes to the proxy: "*" is compared with names, not with
# addresses. NO_PROXY=127.0.0.1 and 127.0.0.0/8 are obeyed. The same stands for `no-proxy = ["*"]`
# beside `http-proxy` in uv.toml.
set -u
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q uv==0.13.9 || exit 2
exec "$folder/venv/bin/python" - "$folder" <<'PY'
import http.server
import os
import subprocess
import sys
import threading

folder = sys.argv[1]
seen = set()


def serve(name):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.add(name)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


proxy, index = serve("proxy"), serve("index")
found = {}
for excepted in ("*", "127.0.0.1"):
    seen.clear()
    env = {"PATH": os.environ["PATH"], "HOME": folder, "HTTP_PROXY": proxy, "NO_PROXY": excepted}
    words = ["pip", "install", "--no-cache", "--dry-run", "--index-url", f"{index}/simple", "zzz"]
    uv = [f"{folder}/venv/bin/uv", *words, "--python", sys.executable]
    subprocess.run(uv, env=env, capture_output=True, check=False)
    found[excepted] = sorted(seen)
    print(f"NO_PROXY={excepted}: asked {', '.join(seen) or 'nobody'}")
sys.exit(0 if found == {"*": ["proxy"], "127.0.0.1": ["index"]} else 1)
PY
