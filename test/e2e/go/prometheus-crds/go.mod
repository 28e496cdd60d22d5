// The Prometheus operator's own resource definitions, for what the chart makes of them. Data only: nothing is built.
module cuj-gate.test/e2e/prometheus-crds

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
