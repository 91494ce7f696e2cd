# The bot in a container: locked dependencies, no build tools, no root, and a root file system that may be read-only.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock requirements-dev.lock ./
# What builds the package is locked too, and stays in this stage. The environment that is kept has no pip.
RUN pip install --require-hashes -r requirements-dev.lock \
 && python -m venv --without-pip /opt/apidown \
 && pip --python /opt/apidown/bin/python install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY commands commands
COPY playbooks playbooks
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && pip --python /opt/apidown/bin/python install --no-deps /dist/*.whl

FROM python:3.13-slim
LABEL org.opencontainers.image.title="apidown" \
      org.opencontainers.image.description="Finds out why a Kubernetes API server does not answer" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/apidown /opt/apidown
ENV PATH=/opt/apidown/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    # Whoever it runs as: a library looks for a home when it is loaded.
    HOME=/var/lib/apidown \
    APIDOWN_STATE_DIR=/var/lib/apidown
RUN useradd --system --uid 10001 --home-dir /var/lib/apidown --create-home apidown
USER 10001:10001
# Only these two are written to: the embedded store's files, and short-lived ones. Everything else may be read-only.
VOLUME ["/var/lib/apidown", "/tmp"]
EXPOSE 8080
# Whether the process turns; it asks no cluster, no store and no Slack.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, urllib.request as http; http.urlopen('http://127.0.0.1:' + os.environ.get('APIDOWN_HEALTH_PORT', '8080') + '/livez', timeout=4)"]
ENTRYPOINT ["apidown"]
CMD ["serve"]
