# The bot in a container: locked dependencies, no build tools, no root, and a root file system that may be read-only.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/apidown \
 && /opt/apidown/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY commands commands
COPY playbooks playbooks
RUN /opt/apidown/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="apidown" \
      org.opencontainers.image.description="Finds out why a Kubernetes API server does not answer" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/apidown /opt/apidown
ENV PATH=/opt/apidown/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APIDOWN_STATE_DIR=/var/lib/apidown
RUN useradd --system --uid 10001 --home-dir /var/lib/apidown --create-home apidown
USER 10001:10001
VOLUME /var/lib/apidown
EXPOSE 8080
ENTRYPOINT ["apidown"]
CMD ["serve"]
