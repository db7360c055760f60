# syntax=docker/dockerfile:1
# Two stages: a Rust toolchain builds, and only the binary with its C library is shipped: no shell, no package manager.
# packaging/image.sh runs the same stages without an engine, and starts what comes of them.

FROM rust:1.95-bookworm AS build
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

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="linkdown" \
      org.opencontainers.image.description="Tells your chat when a country, a network or a site drops off the internet, with the evidence, and when it comes back" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
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
