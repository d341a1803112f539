# One stage installs by hash and takes out of the base what is needed; the last holds the result, runs as a numeric user, and has
# no shell, no package manager and no other program than Python.
#
#   docker build -t syncd .         (or podman, or buildah build --format docker; `make image` takes whichever is there)
#
# BASE may be any image with Python 3.11 or later at the same path in all stages. Pin it by digest where you build for
# production: --build-arg BASE=…/python:3.11-slim-bookworm@sha256:…
ARG BASE=docker.io/library/python:3.11-slim-bookworm
# Where the first stage runs, when BASE is one architecture's image and not a list of several.
ARG BUILD_BASE=${BASE}

# Only looked at, so it may be of another processor.
FROM ${BASE} AS base

# This stage runs on the machine that builds, whatever the image is for: nothing is emulated.
#
#   buildah build --platform linux/arm64 .
FROM --platform=$BUILDPLATFORM ${BUILD_BASE} AS build
ARG TARGETARCH
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
# A wheel names the machine and the oldest C library it runs on; Debian 12 has 2.36.
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    case "${TARGETARCH:-$(uname -m)}" in arm64|aarch64) machine=aarch64 ;; *) machine=x86_64 ;; esac; \
    set -- --platform "manylinux2014_$machine"; \
    for minor in $(seq 5 36); do set -- "$@" --platform "manylinux_2_${minor}_$machine"; done; \
    /build/bin/pip install --quiet --require-hashes --no-deps --only-binary :all: -r requirements-build.lock && \
    /build/bin/pip install --quiet --no-compile --require-hashes --no-deps --only-binary :all: "$@" \
        --target "$(/opt/syncd/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY syncd ./syncd
# What others bring and syncd never imports: colours for source code, Markdown, a C parser.
WORKDIR /opt/syncd/lib
RUN for part in pygments markdown_it mdurl pycparser; do rm -r python3*/site-packages/"$part" || exit 1; done && \
    for name in pygments markdown_it_py mdurl pycparser; do rm -r python3*/site-packages/"$name"-*.dist-info || exit 1; done
WORKDIR /src
# Compiled once here, by content instead of time, because the root file system is read-only where it runs.
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /build/bin/pip --python /opt/syncd/bin/python install --quiet --no-compile --no-deps --no-index /wheels/*.whl && \
    /opt/syncd/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/syncd/lib
COPY deploy/image/root.py ./
RUN --mount=type=bind,from=base,target=/base \
    mkdir /root-of-image && python3 root.py /base /root-of-image /opt/syncd && \
    python3 -m compileall -q --invalidation-mode unchecked-hash -s /root-of-image -p / /root-of-image

FROM scratch
ARG VERSION=""
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="syncd" \
      org.opencontainers.image.description="Keeps Zoom accounts in step with the company directory, and proves it." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"
COPY --from=build /root-of-image /
COPY --from=build /opt/syncd /opt/syncd
COPY --from=build --chown=10001:10001 /state /var/lib/syncd
# One heap, given back from 128 KiB on: with 20,000 people the idle daemon keeps 147 MiB instead of 158.
ENV PATH=/opt/syncd/bin:$PATH \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SYNCD_CONFIG=/etc/syncd/syncd.yaml
USER 10001:10001
WORKDIR /var/lib/syncd
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["syncd"]
CMD ["run"]
