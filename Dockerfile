# Two stages: Debian builds the package, a slim image installs it.
#   docker build -t quire .
#   docker run -p 8000:8000 -v ~/.cache/huggingface:/var/lib/quire/huggingface quire org/repo
FROM debian:12 AS build
WORKDIR /src
COPY scripts/packages scripts/packages
RUN scripts/packages && apt-get install -y --no-install-recommends dpkg-dev file && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DQUIRE_TESTS=OFF && ninja -C build && cd build && cpack -G DEB

FROM debian:12-slim
COPY --from=build /src/build/quire_*.deb /tmp/
RUN apt-get update && apt-get install -y --no-install-recommends /tmp/quire_*.deb ca-certificates \
    && rm -rf /tmp/quire_*.deb /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --system --create-home --home-dir /var/lib/quire quire
USER quire
ENV HF_HOME=/var/lib/quire/huggingface
VOLUME /var/lib/quire
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=300s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; grep -q '200 OK' <&3"]
ENTRYPOINT ["quire", "serve", "--host", "0.0.0.0"]
CMD ["/usr/share/quire/demo"]
