"""Nothing in this code can change a cluster, start a program it should not, or run text as code. Read from the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("commands/**/*.py")])

STARTS_PROGRAMS = {"bot/adapters/valkey.py", "bot/adapters/kubeconfig/plugin.py"}
"""The embedded store, and the exec plugin of a kubeconfig, which is how its user logs in."""
TALKS_TO_SLACK = "bot/slack/"
"""Slack is written to: that is what the bot is for."""
SERVES = "bot/web/"
"""What is posted to the bot comes in here."""

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
METHODS = {"GET", "CONNECT"}
CODE = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "marshal", "shelve", "dill", "subprocess", "pty", "multiprocessing"}
PROCESSES = ("create_subprocess", "system", "popen", "spawn", "posix_spawn", "fork", "exec")
KUBERNETES_WRITES = ("create_", "patch_", "replace_", "delete_", "connect_")


def offences(path: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        found = [*_calls(path, node), *_texts(path, node), *_imports(path, node)]
        yield from (f"{path}:{getattr(node, 'lineno', 0)}: {what}" for what in found)


def _calls(path: str, node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    if isinstance(node.func, ast.Name) and name in CODE:
        yield f"runs text as code: {name}"
    of_os = (
        isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id in ("os", "asyncio")
    )
    if of_os and name.startswith(PROCESSES) and (path not in STARTS_PROGRAMS or "shell" in name):
        yield f"starts a program: {name}"
    of_yaml = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id == "yaml"
    if of_yaml and name in ("load", "load_all", "unsafe_load", "full_load"):
        yield "loads YAML that can make objects"
    if name.startswith(KUBERNETES_WRITES) and name.endswith(("_without_preload_content", "_with_http_info")):
        yield f"writes to Kubernetes: {name}"
    if "namespaced" in name and not name.startswith(("list_", "read_")):
        yield f"writes to Kubernetes: {name}"
    if (
        name.lower() in {method.lower() for method in WRITES}
        and not path.startswith(TALKS_TO_SLACK)
        and _has_url(node)
        and not _is_route(path, node)
    ):
        yield f"sends a writing request: {name}"
    for keyword in node.keywords:
        if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
            yield "starts a shell"
        if keyword.arg == "method" and isinstance(keyword.value, ast.Constant) and keyword.value.value not in METHODS:
            yield f"sends {keyword.value.value}"
        if keyword.arg == "method" and not isinstance(keyword.value, ast.Constant):
            yield "sends whatever method it is given"


def _is_route(path: str, node: ast.Call) -> bool:
    """``web.post("/path", handler)``, which says what is served to others and sends nothing."""
    func = node.func
    return (
        path.startswith(SERVES)
        and isinstance(func, ast.Attribute)
        and isinstance(func.value, ast.Name)
        and func.value.id == "web"
    )


def _has_url(node: ast.Call) -> bool:
    return bool(node.args) or any(keyword.arg in ("url", "json", "data") for keyword in node.keywords)


def _texts(path: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and not path.startswith(TALKS_TO_SLACK):
        yield from (f"names the method {word}" for word in WRITES if node.value.split(" ")[0] == word)


def _imports(path: str, node: ast.AST) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module]
    for name in names:
        if name.split(".")[0] in MODULES or (name == "asyncio.subprocess" and path not in STARTS_PROGRAMS):
            yield f"imports {name}"


def test_nothing_can_change_a_cluster_start_a_program_or_run_text() -> None:
    assert len(FILES) > 80
    found = [what for path in FILES for what in offences(str(path.relative_to(ROOT)), path.read_text())]
    assert found == []


def test_what_may_start_programs_does() -> None:
    """An exception that nobody needs any more is taken off the list."""
    for path in STARTS_PROGRAMS:
        assert "create_subprocess_exec(" in (ROOT / path).read_text(), path


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec(text)",
        "import pickle",
        "from pickle import loads",
        "import subprocess",
        "asyncio.create_subprocess_shell('ls')",
        "asyncio.create_subprocess_exec('ls')",
        "os.system('ls')",
        "os.execv('ls', [])",
        "run('ls', shell=True)",
        "yaml.load(text)",
        "await session.post(url)",
        "await client.delete('https://a')",
        "await client.request(method='PATCH')",
        "h11.Request(method=given, target='/')",
        "request('POST', url)",
        "api.delete_namespaced_pod(name, namespace)",
        "api.create_node_without_preload_content(body)",
        "api.connect_get_namespaced_pod_exec(name, namespace)",
        "text = 'DELETE /api/v1/pods HTTP/1.1'",
    ],
)
def test_each_of_these_would_be_found(source: str) -> None:
    assert list(offences("bot/net/new.py", source)) != []


def test_a_route_is_served_and_a_request_is_sent() -> None:
    assert list(offences("bot/web/new.py", "web.post('/webhooks/x', handler)")) == []
    assert list(offences("bot/web/new.py", "session.post('https://a/api')")) != []
    assert list(offences("bot/net/new.py", "web.post('https://a/api', data)")) != []


@pytest.mark.parametrize(
    "source",
    [
        "h11.Request(method='GET', target='/')",
        "api.list_namespaced_pod_without_preload_content(namespace)",
        "re.compile('x')",
        "yaml.safe_load(text)",
        "text = 'The PUT request is refused.'",
    ],
)
def test_none_of_these_is(source: str) -> None:
    assert list(offences("bot/net/new.py", source)) == []
