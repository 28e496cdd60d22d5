#!/bin/sh
# Everything that this repository takes from the registry, in each layout. With --check, it only compares.
set -eu
cd "$(dirname "$0")"
for target in helm:chart kustomize:kustomize/base/cuj-gate plain:manifests/cuj-gate; do
  ${CUJ_GATE:-cuj-gate} generate analysis-templates --registry cujs.yaml \
    --gate-url "${GATE_URL:-http://cuj-gate.cuj-gate.svc:8080}" \
    --layout "${target%%:*}" --out "${target#*:}" "$@"
done
