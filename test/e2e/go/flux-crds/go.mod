// Flux's own resource definitions, for the objects of docs/gitops/shop/flux. Data only: nothing is built.
module cuj-gate.test/e2e/flux-crds

go 1.26.0

require (
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
)
