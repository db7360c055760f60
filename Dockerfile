# syntax=docker/dockerfile:1@sha256:87999aa3d42bdc6bea60565083ee17e86d1f3339802f543c0d03998580f9cb89
# Two stages: a Rust toolchain builds, and only the binary with its C library is shipped: no shell, no package manager.
# Base images are named by digest, so that the same commit builds on the same bytes; packaging/pin.sh asks for newer ones.
# packaging/image.sh runs the same stages without an engine, and starts what comes of them.

FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /build
# What Linkdown stands on is built first, with an empty program, so that a change of ours does not build it again.
COPY Cargo.toml Cargo.lock ./
# The bill of materials stands in the binary itself: `cargo audit bin` and image scanners read it.
RUN cargo install --locked --version 0.7.7 cargo-auditable
# Tests and benches are not built here, and not there: the manifest names them all the same.
RUN sed -i '/^\[\[test\]\]/,/^$/d; /^\[\[bench\]\]/,/^$/d' Cargo.toml \
    && mkdir -p src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo auditable build --release --locked --bin linkdown \
    && rm -rf src
COPY src src
COPY config config
COPY migrations migrations
# Files that are copied keep their time, which may be older than that of the empty program.
RUN touch src/main.rs src/lib.rs \
    && cargo auditable build --release --locked --bin linkdown \
    && mkdir -p /image/data /image/config \
    && cp target/release/linkdown /image/linkdown \
    && cp config/linkdown.toml /image/config/linkdown.toml

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG VERSION=""
ARG REVISION=""
# Where the sources of this image are; the release workflow gives its repository.
ARG SOURCE="https://linkdown.example"
LABEL org.opencontainers.image.title="linkdown" \
      org.opencontainers.image.description="Tells your chat when a country, a network or a site drops off the internet, with the evidence, and when it comes back" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}#readme" \
      org.opencontainers.image.vendor="The Linkdown developers" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
# 65532 is the user `nonroot` of the image. /data belongs to it, so that a fresh volume does too.
COPY --from=build --chown=65532:65532 /image/ /
USER 65532:65532
WORKDIR /
VOLUME /data
ENTRYPOINT ["/linkdown"]
CMD ["run", "--config", "/config/linkdown.toml", "--database", "/data/linkdown.db"]
HEALTHCHECK --interval=60s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/linkdown", "health", "--database", "/data/linkdown.db"]
