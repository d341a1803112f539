# Two stages: the first installs by hash, the second holds the result, runs as a numeric user and needs no shell.
#
#   docker build -t syncd .         (or podman, or buildah build --format docker; `make image` takes whichever is there)
#
# BASE may be any image with Python 3.11 or later at the same path in both stages. Pin it by digest where you build for
# production: --build-arg BASE=…/python:3.11-slim-bookworm@sha256:…
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV SOURCE_DATE_EPOCH=0 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/syncd && mkdir /state
COPY requirements.lock requirements-build.lock ./
# The secret "ca" is optional: CA certificates for a network that puts its own in between. Nothing of it stays in the image.
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    /build/bin/pip install --quiet --require-hashes --no-deps --only-binary :all: -r requirements-build.lock && \
    /build/bin/pip --python /opt/syncd/bin/python install --quiet --no-compile \
        --require-hashes --no-deps --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY syncd ./syncd
# Compiled once here, by content instead of time, because the root file system is read-only where it runs.
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /build/bin/pip --python /opt/syncd/bin/python install --quiet --no-compile --no-deps --no-index /wheels/*.whl && \
    /opt/syncd/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/syncd/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="syncd" \
      org.opencontainers.image.description="Keeps Zoom accounts in step with the company directory, and proves it." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/syncd /opt/syncd
COPY --from=build --chown=10001:10001 /state /var/lib/syncd
ENV PATH=/opt/syncd/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SYNCD_CONFIG=/etc/syncd/syncd.yaml
USER 10001:10001
WORKDIR /var/lib/syncd
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["syncd"]
CMD ["run"]
