# One image, two processes: `consent-service web` (the default) and `consent-service relay`; compose.yaml shows both.
# It writes to /app/var and /tmp only, so it runs with `--read-only --tmpfs /tmp`.

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_PYTHON=/opt/venv/bin/python \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/venv
COPY requirements/build.txt requirements/run.txt requirements/
# Wheels only, so that nothing needs a compiler; Flask-Principal is published as (pure Python) source alone.
RUN pip install --require-hashes --only-binary=:all: --requirement requirements/build.txt \
    && pip install --require-hashes --only-binary=:all: --no-binary=flask-principal --no-build-isolation \
        --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE* ./
COPY consent_service consent_service
COPY templates templates
# What only the build needs goes again; `pip check` stops the build if something else needed it too.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip install --no-deps --no-index /wheels/*.whl \
    && pip uninstall --yes editables hatchling pathspec pluggy setuptools tomlkit trove-classifiers \
    && pip check

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Consent Service" \
      org.opencontainers.image.description="Asks people for permission to write to them, proves it, forwards it, takes it back and forgets." \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 consent \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --no-log-init --shell /usr/sbin/nologin consent \
    && install --directory --owner=10001 --group=10001 --mode=0700 /app/var
COPY --from=build /opt/venv /opt/venv
# Production unless told otherwise: development mode shows mail to whoever asks, and here it would not be on loopback.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CONSENT_MODE=production \
    HOST=0.0.0.0 \
    PORT=8000
WORKDIR /app
VOLUME /app/var
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=2)"]
CMD ["consent-service", "web"]
