#!/usr/bin/env bash
# uv 0.13.9 with --preview-features wheel-variants, on a release that has a plain wheel, one variant
# that does not fit, and a table of variants whose provider has `enable-if`, as PEP 817 (draft) has it
# for providers that only some platforms need.
#
# Expected: the plain wheel is installed, as without the preview: no variant fits, and a tool that does
# not know a table's form is to take its variants for unsupported (PEP 825).
# Seen: the table cannot be parsed, the release "has invalid metadata", and nothing is installed. The
# same table without `enable-if` is fine.
set -u
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q uv==0.13.9 || exit 2
exec "$folder/venv/bin/python" - "$folder" <<'PY'
import base64
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import zipfile

folder = sys.argv[1]
NEEDS = {"nvidia": {"cuda_version_lower_bound": ["99.0"]}}


def table(condition):
    provider = {
        "plugin-api": "nvidia_variant_provider.plugin:NvidiaVariantPlugin",
        "requires": ["nvidia-variant-provider"],
        **condition,
    }
    told = {"$schema": "https://variants-schema.wheelnext.dev/v0.0.3.json"}
    told["default-priorities"] = {"namespace": ["nvidia"]}
    told["providers"] = {"nvidia": provider}
    return json.dumps({**told, "variants": {"far": NEEDS}}).encode()


def wheel(condition=None):
    files = {
        "demo.py": b"",
        "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if condition is not None:
        files["demo-1.0.dist-info/variant.json"] = table(condition)
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files["demo-1.0.dist-info/RECORD"] = f"{record}demo-1.0.dist-info/RECORD,,\n".encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return made.getvalue()


def tried(condition, *preview):
    files = {
        "demo-1.0-py3-none-any.whl": wheel(),
        "demo-1.0-py3-none-any-far.whl": wheel(condition),
        "demo-1.0-variants.json": table(condition),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            links = "".join(f'<a href="/files/{each}">{each}</a>' for each in files)
            data = files.get(name) or f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if name not in files else "application/x")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION": "12.8",
        "NV_VARIANT_PROVIDER_FORCE_SM_ARCH": "9.0",
    }
    target = f"{folder}/{len(condition)}{len(preview)}"
    words = ["pip", "install", "--no-cache", "--target", target, *preview, "--index-url"]
    words += [f"http://127.0.0.1:{server.server_port}/simple", "--python", sys.executable, "demo"]
    done = subprocess.run([f"{folder}/venv/bin/uv", *words], env=env, capture_output=True, text=True)
    server.shutdown()
    said = "installed" if done.returncode == 0 else "invalid metadata" in done.stderr and "invalid"
    print(f"{', '.join(condition) or 'no enable-if'}, {' '.join(preview) or 'no preview'}: {said or done.stderr}")
    return said


PREVIEW = ("--preview-features", "wheel-variants")
CONDITION = {"enable-if": "platform_system == 'Linux'"}
seen = [tried(CONDITION), tried(CONDITION, *PREVIEW), tried({}, *PREVIEW)]
sys.exit(0 if seen == ["installed", "invalid", "installed"] else 1)
PY
