"""What an engine is told, in its own words: to pull, to name, to tell, to run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headrace.interface import Host, dataclass

__all__ = ["ENGINES", "EngineCommands"]

#: Those that there are words for, in the order in which they are looked for.
ENGINES = ("docker", "podman", "nerdctl", "ctr")
#: Has a Python run so many bytes of standard input, which it finds in a variable, too. It waits for
#: no end of it: where that comes before the container is made, ctr never passes it on.
_READ = (
    "import os, sys; text = sys.stdin.buffer.read(LENGTH).decode(); "
    "os.environ['HEADRACE_CHECK'] = text; exec(text)"
)
#: Ends with 0 in a Python that has a framework, with 3 in another one that can run ours.
_LOOK = (
    "import sys, importlib.util as u; sys.version_info < (3, 7) and sys.exit(4); "
    "sys.exit(0 if any(map(u.find_spec, ('torch', 'tensorflow', 'jax', 'vllm'))) else 3)"
)
_START = f"""\
one=
for each in python3 python /opt/conda/bin/python /opt/venv/bin/python3 /usr/local/bin/python3; do
  command -v "$each" >/dev/null 2>&1 || continue
  "$each" -c "{_LOOK}" >/dev/null 2>&1 </dev/null
  case $? in
    0) one=$each; break;;
    3) one=${{one:-$each}};;
  esac
done
if [ -n "$one" ]; then exec "$one" -c "{_READ}"; fi
echo; echo "headrace-check without python"
if command -v nvidia-smi >/dev/null 2>&1; then nvidia-smi 2>&1; s=$?; else s=127; fi
echo; echo "headrace-check status $s"
for each in /dev/nvidia* /dev/kfd /dev/dri/render*; do
  if [ -e "$each" ]; then echo "$each"; fi
done
"""


@dataclass(frozen=True, slots=True)
class EngineCommands:
    """One engine's words."""

    engine: str
    """One of `ENGINES`."""
    program: str
    """Where it is."""
    hosts: str = ""
    """containerd's folder of registries' settings, which ``ctr`` has to be told."""

    def answers(self) -> tuple[str, ...]:
        """Have it say that it is there."""
        return (self.program, "version")

    def pull(self, reference: str, platform: str = "") -> tuple[str, ...]:
        """Have it pull an image, for another platform where one is named."""
        options = ("--platform", platform) if platform else ()
        if self.engine == "ctr":
            folder = ("--hosts-dir", self.hosts) if self.hosts else ()
            return (self.program, "images", "pull", *folder, *options, reference)
        return (self.program, "pull", "-q", *options, reference)

    def tag(self, pinned: str, name: str) -> tuple[str, ...]:
        """Have it call an image by another name, too."""
        if self.engine == "ctr":
            return (self.program, "images", "tag", "--force", pinned, name)
        return (self.program, "tag", pinned, name)

    def digests(self, name: str) -> tuple[str, ...]:
        """Have it tell the digests of an image that it has."""
        if self.engine == "ctr":
            # A pull that was cut leaves an image of which a part is missing.
            return (self.program, "images", "check", f"name=={name}")
        return (self.program, "image", "inspect", "--format", "{{json .RepoDigests}}", name)

    @staticmethod
    def all_there(said: str, digest: str) -> bool:
        """Whether what it told of digests has this one, with nothing missing."""
        return any(digest in line and " incomplete " not in line for line in said.splitlines())

    def settings(self, name: str) -> tuple[str, ...]:
        """Have it tell what an image's containers begin with, as JSON; nothing: it has no word for
        that.
        """
        if self.engine == "ctr":
            return ()
        return (self.program, "image", "inspect", "--format", "{{json .Config}}", name)

    def steps(self, name: str) -> tuple[str, ...]:
        """Have it tell by which steps an image was made, each as JSON in a line, the latest first;
        nothing, as above.
        """
        if self.engine == "ctr":
            return ()
        told = ("--no-trunc", "--format", "{{json .CreatedBy}}")
        return (self.program, "history", *told, name)

    def machine(self, name: str) -> tuple[str, ...]:
        """Have it tell which processor an image is for, in Go's words; nothing, as above."""
        if self.engine == "ctr":
            return ()
        return (self.program, "image", "inspect", "--format", "{{.Architecture}}", name)

    def run(
        self,
        image: str,
        name: str,
        gpus: Sequence[str],
        variables: Mapping[str, str],
        *,
        length: int,
        shell: bool = True,
    ) -> tuple[str, ...]:
        """Have it run so many bytes of standard input in a container without a network: by the
        image's shell, which looks for a Python, else by its ``python3``.
        """
        words_of = _START if shell else _READ
        start = ("sh" if shell else "python3", "-c", words_of.replace("LENGTH", str(length)))
        if self.engine == "ctr":
            given = [
                word for key, value in variables.items() for word in ("--env", f"{key}={value}")
            ]
            words = (self.program, "run", "--rm", *gpus, *given, image, name)
            return (*words, *start)
        given = [word for key in variables for word in ("--env", key)]
        words = (self.program, "run", "--rm", "-i", "--pull", "never", "--network", "none")
        program, *rest = start
        return (*words, "--name", name, *gpus, *given, "--entrypoint", program, image, *rest)

    def end(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Have it end such a container, and forget it."""
        if self.engine == "ctr":
            return (
                (self.program, "tasks", "kill", "--signal", "SIGKILL", name),
                (self.program, "tasks", "rm", "--force", name),
                (self.program, "containers", "rm", name),
            )
        return ((self.program, "rm", "--force", name),)

    def gpus(self, host: Host, way: str) -> tuple[str, ...]:
        """Return what gives a container all GPUs of a machine; by which `way` NVIDIA's are given
        is ``runtime``, ``hook`` or ``cdi`` (files of the Container Device Interface).
        """
        makers = {gpu.maker for gpu in host.accelerators}
        found: list[str] = []
        if "nvidia" in makers:
            found += self._nvidia(way, sum(gpu.maker == "nvidia" for gpu in host.accelerators))
        if "amd" in makers:
            found += ["--device", "/dev/kfd", "--device", "/dev/dri", *self._groups()]
        elif "intel" in makers:
            found += ["--device", "/dev/dri", *self._groups()]
        return tuple(found)

    def _nvidia(self, way: str, many: int) -> list[str]:
        if self.engine == "podman":
            # SELinux lets no container have devices that are not labelled for it.
            return ["--device", "nvidia.com/gpu=all", "--security-opt", "label=disable"]
        if way == "cdi":
            return ["--device", "nvidia.com/gpu=all"]
        if self.engine == "ctr":
            # It has no word for all of them.
            return [word for number in range(many) for word in ("--gpus", str(number))]
        # The option alone is refused by a toolkit that was told to use CDI.
        runtime = ["--runtime", "nvidia"] if way == "runtime" else []
        return [*runtime, "--gpus", "all"]

    def _groups(self) -> list[str]:
        """Keep the user's own groups, which may use the devices; others run as root inside."""
        return ["--group-add", "keep-groups"] if self.engine == "podman" else []
