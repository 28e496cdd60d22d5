// The Gateway API's own resource definitions, for the HTTPRoute that the chart makes. Data only: nothing is built.
module cuj-gate.test/e2e/gateway-api-crds

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
