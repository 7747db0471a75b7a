#!/bin/sh
# Installs the servers that Quire is compared with into a folder outside the repository (needs root).
#
# Usage: bench/setup_peers.sh [DIR]      DIR defaults to ~/.cache/quire-peers
#
# OpenVINO GenAI comes from Python's registry into a virtual environment.
# llama.cpp is taken as Debian sid ships it, in a chroot of its own: a pinned binary that picks its
# code for this machine's instruction sets at run time.
set -eu

peers=${1:-$HOME/.cache/quire-peers}
root=$peers/sid
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

if [ "$(id -u)" != 0 ]; then
  echo "setup_peers.sh: chroot and debootstrap need root" >&2
  exit 1
fi
command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap
mkdir -p "$peers"
if [ ! -x "$root/usr/bin/apt-get" ]; then
  debootstrap --variant=minbase sid "$root" "$mirror"
fi
if [ ! -x "$root/usr/bin/llama-batched-bench" ]; then
  # The registry's settings of this machine (proxy, certificates) hold inside as well.
  cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
  for file in /etc/apt/apt.conf.d/*; do
    case $file in *proxy* | *Proxy*) cp "$file" "$root/etc/apt/apt.conf.d/" ;; esac
  done
  # A mirror may lag behind the date up to which a list says it is valid; its signature still counts.
  chroot "$root" apt-get -o Acquire::Check-Valid-Until=false update -qq
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends llama.cpp llama.cpp-tools-extra
fi
# Optional: the suite compares with it only where it is there. It reads the GGUF files of llama.cpp.
if [ ! -x "$peers/openvino/bin/python" ]; then
  python3 -m venv "$peers/openvino"
  "$peers/openvino/bin/pip" install -q openvino-genai || rm -rf "$peers/openvino"
fi
mkdir -p "$root/models" "$root/proc" "$root/dev"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
ls "$root"/usr/bin/llama-*
chroot "$root" llama-server --version
