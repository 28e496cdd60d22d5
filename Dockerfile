# The image of cuj-gate: Node, one bundled file, its license and those of what is in it, its bill of materials, and an
# example of a registry. No shell, no package manager, no node_modules. docs/deploy.md shows how to build, pin and check it.

# What runs, and what builds it. A tag can change; a digest cannot. Renovate renews both (.github/renovate.json).
ARG RUNTIME=gcr.io/distroless/nodejs24-debian12:nonroot@sha256:14d42e2511532589a7c7e01a753667a74fcc96266e137e8125006b87b0c32d0a
ARG BUILDER=docker.io/library/node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d

# The bundle is the same for every processor, so it is made on the one at hand.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS bundle
WORKDIR /work
COPY package.json package-lock.json LICENSE ./
# esbuild's program comes as a package of its own; no install script is needed.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
COPY config/cujs.yaml config/cujs-prometheus.yaml ./config/
COPY config/pages ./config/pages
RUN npm run bundle

FROM ${RUNTIME}
WORKDIR /app
COPY --from=bundle /work/dist/cuj-gate.mjs /work/dist/LICENSE /work/dist/THIRD-PARTY-LICENSES /work/dist/sbom.cdx.json ./
COPY --from=bundle /work/dist/config/ ./config/

ENV NODE_ENV=production
# distroless' nonroot, as a number: with a name Kubernetes could not tell that it is not root.
USER 65532:65532
EXPOSE 8080
# Kubernetes does not look at this; its probes are in helm/cuj-gate.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:' + (process.env.CUJ_GATE_ADMIN_PORT || process.env.PORT || 8080) + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/nodejs/bin/node", "/app/cuj-gate.mjs"]
CMD ["serve"]

# Last, so that another version builds nothing again.
# x-release-please-start-version
ARG VERSION=0.2.0
# x-release-please-end
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="cuj-gate" \
      org.opencontainers.image.description="A release gate that judges canaries by Critical User Journeys" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="gcr.io/distroless/nodejs24-debian12:nonroot"
