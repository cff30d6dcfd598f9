# The environment of continuous integration; docs/editor.md says how to use it.
FROM python:3.11-slim-bookworm

# Git and make, and for the tests what .ci/run installs: a browser and an SSH server.
# hadolint ignore=DL3008
RUN apt-get update --quiet \
    && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
        git make chromium fonts-dejavu-core openssh-server \
    && rm -rf /var/lib/apt/lists/*

# In a mounted folder, which belongs to another user, Git refuses to work for root, and so does DVC.
RUN git config --system --add safe.directory '*'

WORKDIR /workspaces/photographs

# The packages before the code: an edit of the code does not install them again.
COPY Makefile requirements*.txt ./
RUN PIP_NO_CACHE_DIR=1 make .venv/pipeline

COPY . .

CMD ["make", "repro"]
