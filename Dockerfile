# One image for every worker, `fleet run WORKER`; what is for development only, fleet/dev, is in the stage `dev` alone.
# Neutral to the processor: every dependency has wheels for amd64 and arm64.
# A release pins the base by digest, python:3.13-slim-bookworm@sha256:..., as its registry shows it for both processors.
# The same as Lambda's default: the newest that all pins have wheels for and the suite has been run on.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements/build.txt
# No pip in the image that ships; --only-binary, because the builder has no compiler and needs none.
RUN python -m venv --without-pip /opt/fleet && /opt/build/bin/pip --python /opt/fleet/bin/python install \
        --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/build/bin/pip --python /opt/fleet/bin/python install --no-deps --no-index /wheel/*.whl

FROM python:${PYTHON}-slim-bookworm AS production

RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin fleet
COPY --from=build /opt/fleet /opt/fleet
ENV PATH=/opt/fleet/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /tmp

# The exec form throughout: SIGTERM reaches Python itself, which drains within DRAIN_SECONDS (25) of the 30 it is given.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('HEALTH_PORT', '8080') + '/livez', timeout=4)"]
CMD ["fleet", "--help"]

# The stand-ins of docker-compose.yml: `docker build --target dev`.
FROM production AS dev
ARG PYTHON
COPY fleet/dev /opt/fleet/lib/python${PYTHON}/site-packages/fleet/dev

FROM production
