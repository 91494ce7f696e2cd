"""What healthy programs log all day: it reads like trouble, and nothing is wrong with the API server."""

from __future__ import annotations

from bot.recognise.form import Place, Whose, words

ROUTINE: tuple[Place, ...] = (
    Place(
        name="watch-renewed",
        whose=Whose.ELSEWHERE,
        pattern=words(
            r"too old resource ?version",
            r"resourceVersion for the provided watch is too old",
            r"\bwatch close - \S{1,200} total \d{1,9} items received",
            r"event in requested index is outdated",
        ),
        example="reflector.go:330] watch of *v1.Pod ended with: too old resource version: 1200 (4800)",
        means="a watch that ended in good order and is begun anew",
    ),
    Place(
        name="started",
        whose=Whose.ELSEWHERE,
        pattern=words(
            r"\bserving (?:in)?securely on\b",
            r"\b(?:listening|starting to (?:listen|serve)) (?:securely )?on\b",
            r"\bsuccessfully acquired lease\b",
            r"\battempting to acquire leader lease\b",
        ),
        example="secure_serving.go:266] Serving securely on [::]:10250",
        means="a program that starts, and says so",
    ),
    Place(
        name="handshake-elsewhere",
        whose=Whose.ELSEWHERE,
        pattern=words(r"\[(?:trace|debug|info|warn(?:ing)?|error)\s?\]:?\s{1,4}http: TLS handshake error from"),
        example="[INFO]  http: TLS handshake error from 10.0.0.9:40000: remote error: tls: bad certificate",
        means="a handshake with a server that does not log as Kubernetes' own do",
    ),
    Place(
        name="advice",
        whose=Whose.ELSEWHERE,
        pattern=words(
            r"not trusted by the host CA bundle, but the token does not include",
            r"\bUse tokens from the TokenRequest API\b",
        ),
        example="Warning: Use tokens from the TokenRequest API instead of auto-generated secret-based tokens.",
        means="advice that a program gives while it works",
    ),
)
"""Said by the same programs, in the same places, as real failures: asked before those."""
