"""The container image's definition, as far as it can be judged without a builder."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from aiohttp import web

from bot.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
BUILD, FINAL = re.split(r"^FROM .*$", DOCKERFILE, flags=re.M)[1:]


def instructions(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", text, re.M)


def test_everything_that_is_installed_is_locked_with_hashes() -> None:
    installs = [part for part in re.split(r"&&", " ".join(instructions(BUILD, "RUN"))) if " install " in part]
    assert installs
    assert all("--require-hashes" in part or "--no-deps /dist/" in part for part in installs)
    assert "--no-build-isolation" in BUILD
    assert not re.search(r"pip|apt", " ".join(instructions(FINAL, "RUN")))


def test_the_process_is_nobody_special_and_has_no_pip() -> None:
    assert instructions(FINAL, "USER") == ["10001:10001"]
    assert "venv --without-pip" in BUILD
    assert not re.search(r"^USER (root|0)", FINAL, re.M)


def test_all_that_is_copied_reaches_the_builder_and_nothing_else_does() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for line in instructions(BUILD, "COPY") for source in line.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_the_chart_and_the_documents_have_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    command = ["make", "--no-print-directory", "-n", "image", "IMAGE=r.example.com/apidown"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["docker", "build", "-t", f"r.example.com/apidown:{version}", "."]
    assert yaml.safe_load((ROOT / "helm" / "apidown" / "Chart.yaml").read_text())["appVersion"] == version
    documents = "\n".join(path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    tags = set(re.findall(r"[\s/]apidown:(\d[\w.-]*\w)", documents))
    assert tags == {version}
    assert not re.search(r"docker build\b", documents), "make image knows the version"


def test_its_variables_are_settings() -> None:
    names = set(re.findall(r"(APIDOWN_\w+)", FINAL))
    assert "HOME=/var/lib/apidown" in FINAL, "a user that the image does not know has no home"
    assert names <= set(Settings.variables())


async def test_the_health_check_tells_a_process_that_turns_from_none() -> None:
    (check,) = instructions(FINAL, "HEALTHCHECK")
    words = json.loads(check.split("CMD ")[1])
    assert words[0] == "python"

    def run(port: int) -> int:
        environment = {"PATH": os.environ["PATH"], "APIDOWN_HEALTH_PORT": str(port)}
        command = [sys.executable, *words[1:]]
        return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    application = web.Application()
    application.router.add_get("/livez", live)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    assert await asyncio.to_thread(run, port) == 0
    await runner.cleanup()
    assert await asyncio.to_thread(run, port) != 0
