#!/bin/bash
# Install what the sandbox and the tests need of the system, on Debian 12: libvirt, QEMU and what builds the rest.
# Does nothing, quickly, when everything is there. Go is not a package here: see the last lines.
set -euo pipefail

packages=(
  # the emulated hypervisor hosts
  libvirt-daemon-system libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
  qemu-system-x86 qemu-utils dnsmasq-base iproute2 iptables nftables ebtables util-linux
  # disks that are LUNs of an iSCSI target, and one to test with
  libvirt-daemon-driver-storage-iscsi-direct qemu-block-extra tgt
  # disks that are images of a Ceph cluster: libvirt's part; the tests unpack a cluster of their own
  libvirt-daemon-driver-storage-rbd
  # disks that are zvols: libvirt's part, without ZFS
  libvirt-daemon-driver-storage-zfs
  # guests with UEFI firmware and TPMs, and of another architecture
  ovmf swtpm swtpm-tools qemu-system-arm
  # nodes that run containers, and Drover's own image
  buildah mmdebstrap libseccomp-dev libc6-dev
  # the guest image
  busybox-static
  # the Python bindings of libvirt are built from source
  python3 python3-venv python3-dev gcc pkg-config libvirt-dev
  # tests
  libxml2-utils curl faketime shellcheck e2fsprogs git make mmdebstrap openssh-client
)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "missing: ${missing[*]}; run me as root" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

if ! command -v go >/dev/null && [ -z "${DROVER_KUBERNETES_BIN:-}" ]; then
  echo "Go 1.26 or later is needed once, to build the control plane: install it from go.dev," >&2
  echo "or set DROVER_KUBERNETES_BIN to a directory with etcd and the Kubernetes programs." >&2
  exit 1
fi
