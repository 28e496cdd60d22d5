// Istio's own resource definitions, for the VirtualServices that the controller rewrites. Data only: nothing is built.
module cuj-gate.test/e2e/istio-crds

go 1.26.0

require istio.io/api v1.31.4
