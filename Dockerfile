# dm with its models and data, and the sweeps of cargo xtask, in a small image:
#   docker build -t dm .
#   docker run --rm -v "$PWD/out:/out" --user "$(id -u)" dm sample --out /out
# The root file system may be read-only; everything is written to /out:
#   docker run --rm --read-only -v "$PWD/out:/out" --user "$(id -u)" --entrypoint xtask dm \
#       sweep --profile smoke --out /out/runs --dm /opt/dm/bin/dm
#   docker run --rm --read-only -v "$PWD/out:/out" --user "$(id -u)" -p 127.0.0.1:8008:8008 dm serve --host 0.0.0.0 --run /out/runs/ink-unet
ARG BUILDER=docker.io/library/rust:1.90-slim-bookworm
ARG RUNTIME=docker.io/library/debian:bookworm-slim

FROM ${BUILDER} AS build
# xtask looks for data and sweeps in the folder that it was built in, so that this folder is the same in both images.
WORKDIR /opt/dm
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY xtask xtask
RUN cargo build --release --locked -p dm-cli -p xtask

FROM ${RUNTIME}
# dm finds models and data in the data folder above its program. The links in data/models lead to files of crates/dm-cli, which
# are not in this image: dm contains these two models.
COPY data /opt/dm/data
COPY xtask/sweeps /opt/dm/xtask/sweeps
COPY --from=build /opt/dm/target/release/dm /opt/dm/target/release/xtask /opt/dm/bin/
RUN useradd --create-home --uid 10001 dm && mkdir /out && chown dm:dm /out
ENV PATH=/opt/dm/bin:$PATH
USER dm
WORKDIR /out
EXPOSE 8008
ENTRYPOINT ["dm"]
CMD ["--help"]
