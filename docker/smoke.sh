#!/usr/bin/env bash
# Build the image and try it as a sidecar: healthy, takes a mail, shows it, stops within two seconds of SIGTERM.
# Uses docker, else podman, else buildah with podman on machines without a daemon.
#
#   docker/smoke.sh [--base IMAGE_ARCHIVE]
set -euo pipefail
cd "$(dirname "$0")/.."

engine=${ENGINE:-}
if [ -z "$engine" ]; then
  for candidate in docker podman; do
    if command -v "$candidate" >/dev/null && "$candidate" info >/dev/null 2>&1; then engine=$candidate; break; fi
  done
fi
[ -n "$engine" ] || { echo "smoke: no container engine answers" >&2; exit 2; }
read -r -a build <<<"${BUILD:-$engine build}"
read -r -a run <<<"${RUN:-$engine run}"

image=mailtrap:smoke
name=mailtrap-smoke-$$
"${build[@]}" -t "$image" -f docker/Dockerfile .

cleanup() { $engine rm -f "$name" >/dev/null 2>&1 || true; }
trap cleanup EXIT
"${run[@]}" -d --name "$name" --network host -e MAILTRAP_HOST=127.0.0.1 "$image" >/dev/null

for _ in $(seq 50); do
  if curl -sf http://127.0.0.1:8025/readyz >/dev/null; then break; fi
  sleep 0.2
done
$engine exec "$name" mailtrap healthcheck
[ "$($engine exec "$name" id -u)" != 0 ] || { echo "smoke: it runs as root" >&2; exit 1; }
printf 'Subject: smoke\r\n\r\nhello\r\n' |
  curl -sS --mail-from a@example.com --mail-rcpt b@example.com -T - smtp://127.0.0.1:1025
curl -sS http://127.0.0.1:8025/api/v1/messages | grep -q '"Subject": *"smoke"'

begun=$(date +%s%N)
$engine stop -t 10 "$name" >/dev/null
took=$((($(date +%s%N) - begun) / 1000000))
[ "$took" -lt 2000 ] || { echo "smoke: SIGTERM took $took ms" >&2; exit 1; }
echo "smoke: ok, stopped in $took ms"
