"""Real commands where the locale is Chinese: all that people are told, and nothing that programs
read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lib.gateway import headrace
from lib.translations.english import english_in

CHINESE = {"LANG": "zh_CN.UTF-8", "PYTHONUTF8": "1"}
#: Each with its exit code (None: it is the machine's), and words that it must say.
COMMANDS: Mapping[tuple[str, ...], tuple[int | None, tuple[str, ...]]] = {
    (): (2, ("用法：headrace", "命令", "撤销")),
    ("--help",): (0, ("示例：", "退出码", "一切正常")),
    ("on", "--help"): (0, ("--containers", "示例：", "谁的配置和网关")),
    ("status",): (0, ("网关     已关闭", "工具", "状态", "下一步")),
    ("off",): (0, ("没有接入过任何东西",)),
    ("cache",): (0, ("0 个文件",)),
    ("config",): (0, ("没有这个文件，也不需要", "默认")),
    ("mirrors", "--all"): (0, ("来自目录", "只在一处被提到过")),
    ("why", "numpy"): (1, ("没有 'numpy' 的记录", "问题出在", "怎么办")),
    ("open",): (1, ("没有可以打开页面的网关", "`headrace on` 会启动一个")),
    ("statsu",): (2, ("无效的选择：'statsu'", "是不是想写 'status'？")),
    ("status", "--scope", "x"): (2, ("必须是 user, system 之一，而不是 'x'",)),
    ("run", "--", "no-such-program"): (127, ("找不到命令",)),
    ("explain", "torch", "--for", "gpu=H9"): (2, ("没有叫 'H9' 的 GPU",)),
    ("explain", "torch", "--for", "driver=550,gpu=V100"): (0, ("驱动 >= 580", "适合 sm_70")),
    ("doctor",): (None, ("设置", "磁盘")),
    ("status", "more"): (2, ("用法：headrace status [OPTIONS]",)),
    ("on", "--more"): (2, ("用法：headrace on [OPTIONS]",)),
    ("self",): (0, ("`headrace self uninstall`",)),
    ("cache", "prune", "--to", "much"): (2, ("而不是 'much'",)),
    ("image", "--help"): (0, ("这里能跑的最新镜像",)),
    ("image", "pull", "--help"): (0, ("--no-check",)),
    ("image", "write", "--help"): (0, ("--jupyter",)),
    ("image", "check", "it", "--engine", "rkt"): (2, ("'rkt' 不是 docker",)),
    ("image", "check", "it", "--engine", "/no/docker"): (1, ("没有回应：没有那个文件",)),
    ("image", "write", "pytorch", "it", "--kubernetes", "no"): (2, ("也不是文件：没有那个",)),
    ("mirrors", "test", "nobody"): (1, ("没有叫 'nobody' 的镜像",)),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def told(
    *words: str, home: Path, env: Mapping[str, str], code: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    place = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "HEADRACE_HOME": str(home / "headrace"),
        **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
    }
    done = subprocess.run(
        [*headrace(), *words], capture_output=True, check=False, env={**place, **env}, cwd=home
    )
    assert code is None or done.returncode == code, done
    return done


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_speaks_chinese_and_ends_as_ever(words: tuple[str, ...], home: Path) -> None:
    code, said = COMMANDS[words]
    done = told(*words, home=home, env=CHINESE, code=code)
    text = (done.stdout + done.stderr).decode("utf-8")
    assert all(each in text for each in said), text
    assert not english_in(text), text


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "LANG": "zh_CN.UTF-8", "LANGUAGE": "zh_CN"},
        {"LANG": "zh_TW.UTF-8", "PYTHONUTF8": "1"},
        {"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "ascii"},
        {"LANG": "zh_CN.UTF-8", "LANGUAGE": "en", "PYTHONUTF8": "1"},
    ],
    ids=str,
)
def test_elsewhere_it_speaks_english(env: Mapping[str, str], home: Path) -> None:
    done = told("statsu", home=home, env=env, code=2)
    text = (done.stdout + done.stderr).decode("ascii")
    assert "headrace" in text
    assert "\\u" not in text


def test_gbk_is_chinese_too(home: Path) -> None:
    env = {"LANG": "zh_CN.GBK", "PYTHONIOENCODING": "gbk"}
    assert "未接入" in told("status", home=home, env=env, code=0).stdout.decode("gbk")


def test_json_and_the_log_are_the_same_in_every_language(home: Path) -> None:
    wrong = ("image", "check", "it", "--engine", "rkt", "--json")
    for words in (("status", "--json"), ("statsu", "--json"), wrong):
        english = told(*words, home=home, env={"LC_ALL": "C.UTF-8"})
        chinese = told(*words, home=home, env=CHINESE)
        assert chinese.returncode == english.returncode
        assert json.loads(chinese.stdout) == json.loads(english.stdout)
        assert chinese.stdout.isascii()
    env = {**CHINESE, "HEADRACE_LOG": "wrong"}
    assert b"WARNING: the variable HEADRACE_LOG" in told("status", home=home, env=env).stderr
