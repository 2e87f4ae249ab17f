"""What no build is sent, and what git does not keep: ``.dockerignore`` and ``.gitignore``. Pure."""

from __future__ import annotations

from headrace_docker.writing.wishes import WrittenImage

__all__ = ["COPIED", "SECRETS", "docker_ignored", "git_ignored"]

#: What the engine's file copies, of a slim folder too.
COPIED = ("requirements.txt", "start.py", "slim.py", "stand_in.py", "slim.toml")
#: What holds passwords, tokens or keys, wherever it lies.
SECRETS = (
    *(".env", ".env.*", "*.env", "secrets", ".netrc", "_netrc", ".git-credentials"),
    *(".pypirc", "pip.conf", "pip.ini", ".pip", ".condarc", "condarc", "uv.toml", ".npmrc"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "id_*", ".ssh", ".gnupg"),
    *(".docker", "auth.json", "kubeconfig", "kubeconfig.*", ".kube", ".aws", ".azure"),
    *(".config/gcloud", ".huggingface", ".kaggle", ".wandb"),
)
_LARGE = (
    *(
        ".git",
        ".venv",
        "venv",
        ".conda",
        "node_modules",
        "__pycache__",
        "*.pyc",
        ".ipynb_checkpoints",
    ),
    *("data", "datasets", "checkpoints", "*.pt", "*.pth", "*.ckpt", "*.safetensors"),
)


def docker_ignored(image: WrittenImage) -> str:
    """Write ``.dockerignore``: nothing is sent but what is named. The last line that fits decides,
    so secrets come after what a user may name.
    """
    del image
    return "\n".join(
        [
            "# A build is sent nothing but what is named here. What you COPY yourself goes below,",
            "# with ! in front of it.",
            "*",
            *(f"!{each}" for each in COPIED),
            "",
            "# Never: secrets. Leave this below your own lines: the last one that fits decides.",
            *(f"**/{each}" for each in SECRETS),
            "",
            "# Nor what is large, and made elsewhere.",
            *(f"**/{each}" for each in _LARGE),
            "",
        ]
    )


def git_ignored(image: WrittenImage) -> str:
    """Write ``.gitignore``: secrets, of which the folder's own have a place."""
    del image
    return "\n".join(["# Secrets stay on this machine.", *SECRETS, ""])
