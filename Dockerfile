# dm with its models and data in a small image:
#   docker build -t dm .
#   docker run --rm -v "$PWD/out:/out" --user "$(id -u)" dm sample --out /out
ARG BUILDER=docker.io/library/rust:1.90-slim-bookworm
ARG RUNTIME=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY xtask xtask
RUN cargo build --release --locked -p dm-cli

FROM ${RUNTIME}
# dm finds models and data in the data folder above its program.
COPY data /opt/dm/data
COPY --from=build /src/target/release/dm /opt/dm/bin/dm
RUN useradd --create-home --uid 10001 dm && mkdir /out && chown dm:dm /out
ENV PATH=/opt/dm/bin:$PATH
USER dm
WORKDIR /out
ENTRYPOINT ["dm"]
CMD ["--help"]
