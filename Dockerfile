# syntax=docker/dockerfile:1
# One image for every process of Drover: the first argument says which one runs.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/drover:VERSION .
#
# Two optional secrets serve builds behind a package index or a proxy of their own, and leave nothing in the image:
# --secret id=pip,src=pip.conf --secret id=ca,src=ca-certificates.crt, where pip.conf says cert = /run/secrets/ca

ARG BASE=debian:trixie-slim

# The Python packages, in the versions and with the hashes of the lock file.
# libvirt-python has no wheels: it is compiled here, with Debian's setuptools instead of one downloaded on the side.
FROM ${BASE} AS packages
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates gcc libc6-dev libpython3-dev libvirt-dev pkg-config \
        python3 python3-pip python3-setuptools python3-venv python3-wheel \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY requirements/runtime.txt /build/requirements.txt
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca \
    PIP_CONFIG_FILE=/run/secrets/pip \
    pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --require-hashes \
        --wheel-dir /build/wheels --requirement /build/requirements.txt
# Compiled files that trust their source instead of comparing times: layers do not keep times.
RUN python3 -m venv --without-pip /opt/drover \
    && pip --python /opt/drover install --quiet --no-cache-dir --no-deps --no-index --no-compile /build/wheels/*.whl \
    && find /opt/drover -name '*.so' -exec strip --strip-unneeded {} + \
    && /opt/drover/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/drover/lib \
    && echo /opt/drover/source > "$(echo /opt/drover/lib/python3.*/site-packages)/drover.pth" \
    && printf '%s\n' '#!/opt/drover/bin/python' 'from drover.__main__ import main' 'raise SystemExit(main())' \
        > /opt/drover/bin/drover \
    && chmod 755 /opt/drover/bin/drover

# Drover itself, apart from its packages: a change of the source makes this stage and the last layer anew, nothing else.
FROM packages AS source
COPY operator/drover /opt/drover/source/drover
RUN /opt/drover/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/drover/source

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Drover" \
      org.opencontainers.image.description="Virtual machines as Kubernetes objects, on plain libvirt" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# Of qemu-utils only qemu-img is used, which reaches images of Ceph by qemu-block-extra; of libvirt only the client library; nft, ip and bridge are the agent's.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates iproute2 libvirt0 nftables python3 \
        qemu-block-extra qemu-utils tini \
    && rm -rf /usr/bin/qemu-io /usr/bin/qemu-nbd /usr/bin/qemu-storage-daemon /usr/share/libvirt \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && groupadd --gid 65532 drover \
    && useradd --uid 65532 --gid 65532 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin drover
COPY --from=packages /opt/drover /opt/drover
COPY --from=source /opt/drover/source /opt/drover/source
ENV PATH=/opt/drover/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["drover", "healthcheck"]
ENTRYPOINT ["/usr/bin/tini", "--", "drover"]
