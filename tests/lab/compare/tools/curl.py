"""curl with the kubeconfig's authority, credentials and proxy: /livez and /readyz in full, with the handshake shown."""

from __future__ import annotations

from tests.lab.compare.tool import Target, Tool, exit_tells


def commands(binary: str, target: Target) -> list[list[str]]:
    curl = [binary, "--silent", "--show-error", "--verbose", "--fail-with-body", "--max-time", "5"]
    for flag, file in (("--cacert", target.authority), ("--cert", target.certificate), ("--key", target.key)):
        curl += [flag, str(file)] if file else []
    curl += ["--proxy", target.proxy] if target.proxy else []
    curl += ["--header", f"Authorization: Bearer {target.token}"] if target.token else []
    return [[*curl, f"{target.url}{path}?verbose"] for path in ("/livez", "/readyz")]


TOOL = Tool(
    name="curl",
    title="curl -v",
    asked="`curl --verbose` of `/livez?verbose` and `/readyz?verbose`, with the kubeconfig's authority, credentials and proxy",
    binary="curl",
    licence="curl",
    version=("--version",),
    commands=commands,
    complains=exit_tells,
    limit=8.0,
    static=False,
)
