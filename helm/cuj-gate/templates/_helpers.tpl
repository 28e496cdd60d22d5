{{- define "cuj-gate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "cuj-gate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "cuj-gate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "cuj-gate.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "cuj-gate.adminService" -}}
{{- include "cuj-gate.fullname" . | trunc 57 | trimSuffix "-" }}-admin
{{- end -}}

{{- define "cuj-gate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cuj-gate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cuj-gate.labels" -}}
{{ include "cuj-gate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "cuj-gate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "cuj-gate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "cuj-gate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "cuj-gate.registryConfigMap" -}}
{{- default (printf "%s-registry" (include "cuj-gate.fullname" . | trunc 54 | trimSuffix "-")) .Values.registry.existingConfigMap -}}
{{- end -}}

{{- /* The kubelet sleeps before SIGTERM where it can (Kubernetes 1.30); elsewhere the gate itself waits after it. */ -}}
{{- define "cuj-gate.kubeletSleeps" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}true{{- end -}}
{{- end -}}

{{- define "cuj-gate.scheme" -}}
{{- if .Values.tls.existingSecret -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{- /* Port of the probes and /metrics: the admin port, always plain HTTP, or the main port. */ -}}
{{- define "cuj-gate.probePort" -}}
{{- if .Values.adminPort -}}
port: admin
{{- else if .Values.tls.existingSecret -}}
port: http, scheme: HTTPS
{{- else -}}
port: http
{{- end -}}
{{- end -}}

{{- define "cuj-gate.agentAnnotation" -}}
ad.datadoghq.com/cuj-gate.checks
{{- end -}}

{{- /* The check openmetrics of the Datadog agent, as the value of its annotation. */ -}}
{{- define "cuj-gate.agentChecks" -}}
{{- $port := .Values.adminPort | default 8080 | int -}}
{{- $metrics := .Files.Get "files/datadog-metrics.json" | fromJsonArray -}}
{{- $instance := dict "openmetrics_endpoint" (printf "http://%%%%host%%%%:%d/metrics" $port) "namespace" "cuj_gate" "raw_metric_prefix" "cuj_gate_" "metrics" $metrics -}}
{{- dict "openmetrics" (dict "init_config" dict "instances" (list $instance)) | toJson -}}
{{- end -}}

{{- /* The port of a URL, or the default port of its scheme. */ -}}
{{- define "cuj-gate.urlPort" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary 443 80 (eq $url.scheme "https")) -}}
{{- end -}}

{{- /* Host and path of the public URL, for an Ingress or HTTPRoute. */ -}}
{{- define "cuj-gate.publicHost" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .Values.settings.publicUrl).host "" -}}
{{- end -}}
{{- define "cuj-gate.publicPath" -}}
{{- default "/" (trimSuffix "/" (urlParse .Values.settings.publicUrl).path) -}}
{{- end -}}

{{- /* How requests from outside the cluster reach the gate without a proxy between that signs people in; empty: not at all. */ -}}
{{- define "cuj-gate.outside" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.service.name) -}}Ingress
{{- else if and .Values.httpRoute.enabled (not .Values.httpRoute.service.name) -}}HTTPRoute
{{- else -}}{{- get (dict "LoadBalancer" "load balancer" "NodePort" "node port") .Values.service.type -}}
{{- end -}}
{{- end -}}

{{- /* Environment variables of the gate, and the value that sets each. extraEnv must not set them. */ -}}
{{- define "cuj-gate.owners" -}}
HOST: settings.host
PORT: service.port
LOG_LEVEL: settings.logLevel
NODE_EXTRA_CA_CERTS: trustedCa.existingConfigMap
DD_API_KEY: datadog.existingSecret
DD_API_KEY_FILE: datadog.existingSecret
DD_APP_KEY: datadog.existingSecret
DD_APP_KEY_FILE: datadog.existingSecret
DD_SITE: datadog.site
DD_URL: datadog.url
CUJ_GATE_PROMETHEUS_URL: prometheus.url
CUJ_GATE_PROMETHEUS_TOKEN: prometheus.tokenKey
CUJ_GATE_PROMETHEUS_TOKEN_FILE: prometheus.tokenKey
CUJ_GATE_PROMETHEUS_USERNAME: prometheus.username
CUJ_GATE_PROMETHEUS_PASSWORD: prometheus.passwordKey
CUJ_GATE_PROMETHEUS_PASSWORD_FILE: prometheus.passwordKey
CUJ_GATE_PROMETHEUS_TENANT: prometheus.tenant
CUJ_GATE_PROMETHEUS_CACHE_KEY: prometheus.cacheKeyKey
CUJ_GATE_PROMETHEUS_CACHE_KEY_FILE: prometheus.cacheKeyKey
CUJ_GATE_EVENTS_DD_API_KEY: datadog.events.existingSecret
CUJ_GATE_EVENTS_DD_API_KEY_FILE: datadog.events.existingSecret
CUJ_GATE_EVENTS_URL: datadog.events.url
OTEL_EXPORTER_OTLP_ENDPOINT: tracing.endpoint
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracing.endpoint
CUJ_GATE_PUBLIC_URL: settings.publicUrl
CUJ_GATE_BASE_PATH: settings.basePath
CUJ_GATE_REGISTRY: registry.existingConfigMap
CUJ_GATE_ENVIRONMENT: registry.environment
CUJ_GATE_BACKEND: settings.backend
CUJ_GATE_DEADLINE: settings.deadline
CUJ_GATE_CACHE_TTL: settings.cacheTtl
CUJ_GATE_CACHE_SIZE: settings.cacheSize
CUJ_GATE_MAX_INFLIGHT: settings.maxInflight
CUJ_GATE_RATE_LIMIT: settings.rateLimit
CUJ_GATE_REDIS_URL: redis.existingSecret
CUJ_GATE_REDIS_URL_FILE: redis.existingSecret
CUJ_GATE_HISTORY: history.store
CUJ_GATE_HISTORY_PATH: history.volume
CUJ_GATE_HISTORY_MAX_MIB: history.maxMiB
CUJ_GATE_HISTORY_MAX_DAYS: history.maxDays
CUJ_GATE_ALLOW_UNAUTHENTICATED_PAST: auth.allowUnauthenticatedPast
CUJ_GATE_DRAIN_DELAY: drainSeconds
CUJ_GATE_ADMIN_PORT: adminPort
CUJ_GATE_AUTH_TOKENS_FILE: auth.tokens.existingSecret
CUJ_GATE_AUTH_OIDC_ISSUER: auth.oidc.issuer
CUJ_GATE_AUTH_OIDC_AUDIENCE: auth.oidc.audience
CUJ_GATE_AUTH_OIDC_JWKS_URL: auth.oidc.jwksUrl
CUJ_GATE_AUTH_OIDC_CLAIM: auth.oidc.claim
CUJ_GATE_AUTH_OIDC_CLOCK_SKEW: auth.oidc.clockSkew
CUJ_GATE_AUTH_BROWSER_OIDC_ISSUER: auth.browserOidc.issuer
CUJ_GATE_AUTH_BROWSER_OIDC_AUDIENCE: auth.browserOidc.audience
CUJ_GATE_AUTH_BROWSER_OIDC_JWKS_URL: auth.browserOidc.jwksUrl
CUJ_GATE_AUTH_BROWSER_OIDC_CLAIM: auth.browserOidc.claim
CUJ_GATE_AUTH_METRICS: auth.metrics
CUJ_GATE_TLS_CERT_FILE: tls.existingSecret
CUJ_GATE_TLS_KEY_FILE: tls.existingSecret
CUJ_GATE_TLS_CLIENT_CA_FILE: tls.clientCa.existingConfigMap
{{- end -}}

{{- /* A duration of the values as ms. */ -}}
{{- define "cuj-gate.ms" -}}
{{- $number := regexFind "[1-9][0-9]*" . | int64 -}}
{{- if hasSuffix "ms" . -}}{{ $number }}{{- else if hasSuffix "s" . -}}{{ mul $number 1000 }}{{- else -}}{{ mul $number 60000 }}{{- end -}}
{{- end -}}

{{- /*
With --reuse-values, Helm takes the defaults of the chart that is installed: sections that are newer than it are missing, and
templates would fail with a nil pointer. Every template includes this first. A new section belongs into the list.
*/ -}}
{{- define "cuj-gate.complete" -}}
{{- $values := .Values -}}
{{- range (list "history" "ingress" "httpRoute" "datadogAgent") -}}
{{- if not (hasKey $values .) -}}
{{- fail (printf "\nthe value %s is missing: these values are of an older version of the chart. Upgrade with --reset-then-reuse-values, or with -f and your values, instead of --reuse-values." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Required values and invalid combinations, reported at once. */ -}}
{{- define "cuj-gate.usesDatadog" -}}
{{- if or (eq .Values.settings.backend "datadog") .Values.datadog.existingSecret -}}true{{- end -}}
{{- end -}}

{{- /* Beside Datadog where both are given: the sources of the registry say which of them measures what. */ -}}
{{- define "cuj-gate.usesPrometheus" -}}
{{- if or (eq .Values.settings.backend "prometheus") .Values.prometheus.url -}}true{{- end -}}
{{- end -}}

{{- define "cuj-gate.check" -}}
{{- $problems := list -}}
{{- if not .Values.image.repository -}}
{{- $problems = append $problems "image.repository is empty: build the Dockerfile, push it, and name it here (docs/deploy.md)." -}}
{{- end -}}
{{- $extra := default list .Values.extraBackends -}}
{{- if not (has .Values.settings.backend (concat (list "datadog" "prometheus") $extra)) -}}
{{- $problems = append $problems (printf "settings.backend is %s: it is datadog or prometheus. Name a backend of your own in extraBackends too." .Values.settings.backend) -}}
{{- end -}}
{{- if and (eq .Values.settings.backend "datadog") (not .Values.datadog.existingSecret) -}}
{{- $problems = append $problems (printf "datadog.existingSecret is empty: kubectl -n %s create secret generic cuj-gate-datadog --from-file=%s=FILE --from-file=%s=FILE, and name it here." .Release.Namespace .Values.datadog.apiKeyKey .Values.datadog.appKeyKey) -}}
{{- end -}}
{{- if or (include "cuj-gate.usesPrometheus" .) .Values.prometheus.existingSecret -}}
{{- with .Values.prometheus -}}
{{- $keys := compact (list .tokenKey .passwordKey .cacheKeyKey) -}}
{{- if not .url -}}
{{- $problems = append $problems "prometheus.url is empty: name the API below which /api/v1/query is, such as http://prometheus.monitoring:9090." -}}
{{- end -}}
{{- if and $keys (not .existingSecret) -}}
{{- $problems = append $problems "prometheus.existingSecret is empty: name the Secret that holds the keys of prometheus.tokenKey, passwordKey and cacheKeyKey." -}}
{{- end -}}
{{- if and .existingSecret (not $keys) -}}
{{- $problems = append $problems "prometheus.existingSecret is set without prometheus.tokenKey, passwordKey and cacheKeyKey: nothing of it would be used." -}}
{{- end -}}
{{- if ne (empty .username) (empty .passwordKey) -}}
{{- $problems = append $problems "prometheus.username and prometheus.passwordKey: set both." -}}
{{- end -}}
{{- if and .tokenKey .username -}}
{{- $problems = append $problems "prometheus.tokenKey and prometheus.username: keep one of them." -}}
{{- end -}}
{{- if and $.Values.redis.existingSecret (not $keys) -}}
{{- $problems = append $problems "redis is set with prometheus: set prometheus.cacheKeyKey, or who can write to Redis could forge a pass." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.datadog.events.existingSecret (not (include "cuj-gate.usesDatadog" .)) -}}
{{- $problems = append $problems "datadog.events is set, and settings.backend is not datadog, and datadog.existingSecret is empty: events are sent where Datadog measures something." -}}
{{- end -}}
{{- $registries := compact (list .Values.registry.existingConfigMap (ternary "files" "" (not (empty .Values.registry.files))) (ternary "volume" "" (not (empty .Values.registry.volume)))) -}}
{{- if not $registries -}}
{{- $problems = append $problems "there is no registry: give registry.existingConfigMap, or --set-file 'registry.files.cujs\\.yaml=cujs.yaml'." -}}
{{- else if gt (len $registries) 1 -}}
{{- $problems = append $problems "registry.existingConfigMap, registry.files and registry.volume: keep one of them." -}}
{{- end -}}
{{- /* The gate's limits, in ms: outside them no pod would start. */ -}}
{{- range list (list "settings.deadline" .Values.settings.deadline 100 9999) (list "settings.cacheTtl" .Values.settings.cacheTtl 0 600000) (list "auth.oidc.clockSkew" .Values.auth.oidc.clockSkew 0 300000) -}}
{{- $ms := include "cuj-gate.ms" (index . 1) | int64 -}}
{{- if or (lt $ms (index . 2 | int64)) (gt $ms (index . 3 | int64)) -}}
{{- $problems = append $problems (printf "%s is %s: from %dms to %dms." (index . 0) (index . 1) (index . 2) (index . 3)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.redis.existingSecret (eq (include "cuj-gate.ms" .Values.settings.cacheTtl) "0") -}}
{{- $problems = append $problems "redis is set with a settings.cacheTtl of 0: without a cache there is nothing to share." -}}
{{- end -}}
{{- with .Values.history -}}
{{- if and (eq .store "redis") (not $.Values.redis.existingSecret) -}}
{{- $problems = append $problems "history.store is redis without redis.existingSecret: there is no Redis to keep changes in." -}}
{{- end -}}
{{- if and .volume (ne .store "folder") -}}
{{- $problems = append $problems "history.volume is set, but history.store is not folder." -}}
{{- end -}}
{{- if and (hasKey .volume "persistentVolumeClaim") (or $.Values.autoscaling.enabled (gt (int $.Values.replicaCount) 1)) -}}
{{- $problems = append $problems "history.volume is a persistentVolumeClaim for more than one replica: set history.store to redis, or replicaCount to 1." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.from) -}}
{{- $problems = append $problems "networkPolicy.from is empty, which admits all peers: list the peers that may connect." -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- $problems = append $problems "autoscaling.minReplicas is above autoscaling.maxReplicas." -}}
{{- end -}}
{{- if .Values.prometheusRule.rules -}}
{{- if not (kindIs "slice" (get (fromYaml .Values.prometheusRule.rules) "groups")) -}}
{{- $problems = append $problems "prometheusRule.rules contains no groups: set it with --set-file to the output of `cuj-gate generate prometheus-rules`." -}}
{{- end -}}
{{- end -}}
{{- if .Values.dashboard.json -}}
{{- if not (kindIs "slice" (get (fromJson .Values.dashboard.json) "panels")) -}}
{{- $problems = append $problems "dashboard.json contains no panels: set it with --set-file to the output of `cuj-gate generate grafana-dashboard`." -}}
{{- end -}}
{{- end -}}
{{- $asked := or .Values.auth.tokens.existingSecret .Values.auth.oidc.issuer -}}
{{- range $group, $of := dict "auth.oidc" .Values.auth.oidc "auth.browserOidc" .Values.auth.browserOidc -}}
{{- if and $of.issuer (not $of.audience) -}}
{{- $problems = append $problems (printf "%s.issuer is set without %s.audience: tokens for other audiences would be accepted too." $group $group) -}}
{{- end -}}
{{- if and (not $of.issuer) (or $of.audience $of.jwksUrl $of.claim) -}}
{{- $problems = append $problems (printf "%s has values but no issuer: set %s.issuer." $group $group) -}}
{{- end -}}
{{- end -}}
{{- if .Values.auth.browserOidc.issuer -}}
{{- if not $asked -}}
{{- $problems = append $problems "auth.browserOidc is set without auth.tokens or auth.oidc: Argo Rollouts would get 401, and rollouts would be aborted." -}}
{{- end -}}
{{- if and (eq .Values.auth.browserOidc.issuer .Values.auth.oidc.issuer) (eq .Values.auth.browserOidc.audience .Values.auth.oidc.audience) -}}
{{- $problems = append $problems "auth.browserOidc has the issuer and the audience of auth.oidc: register another client for browsers, or remove auth.browserOidc." -}}
{{- end -}}
{{- end -}}
{{- $public := trimSuffix "/" (urlParse .Values.settings.publicUrl).path -}}
{{- with .Values.settings.basePath -}}
{{- if and $.Values.settings.publicUrl (ne (trimSuffix "/" .) $public) -}}
{{- $problems = append $problems (printf "settings.basePath is %s and the path of settings.publicUrl is %s: remove settings.basePath." . (default "/" $public)) -}}
{{- end -}}
{{- end -}}
{{- range $kind, $of := dict "ingress" .Values.ingress "httpRoute" .Values.httpRoute -}}
{{- if and $of.enabled (not $.Values.settings.publicUrl) -}}
{{- $problems = append $problems (printf "%s is enabled without settings.publicUrl, which has its host and path." $kind) -}}
{{- end -}}
{{- if and $of.enabled $.Values.networkPolicy.enabled (not $.Values.networkPolicy.browserFrom) -}}
{{- $problems = append $problems (printf "%s is enabled and networkPolicy.browserFrom is empty: no browser's request would reach the gate. List the pods of the proxy or of the ingress controller." $kind) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute is enabled without httpRoute.parentRefs: name the Gateway." -}}
{{- end -}}
{{- if and .Values.auth.metrics (not $asked) -}}
{{- $problems = append $problems "auth.metrics is on, but no tokens are configured: set auth.tokens.existingSecret or auth.oidc.issuer." -}}
{{- end -}}
{{- if .Values.tls.clientCa.existingConfigMap -}}
{{- if not .Values.tls.existingSecret -}}
{{- $problems = append $problems "tls.clientCa is set without tls.existingSecret: client certificates require TLS." -}}
{{- end -}}
{{- if not .Values.adminPort -}}
{{- $problems = append $problems "tls.clientCa is set without adminPort: the kubelet's probes have no certificate, and no pod would become ready." -}}
{{- end -}}
{{- end -}}
{{- if eq (int .Values.adminPort) 8080 -}}
{{- $problems = append $problems "adminPort is 8080, which the pod uses for requests: choose another port, such as 9090." -}}
{{- end -}}
{{- /* A failing scrape looks like a gate that is down. */ -}}
{{- if .Values.serviceMonitor.enabled -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- $problems = append $problems "serviceMonitor is enabled and networkPolicy.metricsFrom is empty: Prometheus could not connect. List its peers." -}}
{{- end -}}
{{- if and .Values.auth.metrics (not .Values.serviceMonitor.authorization) -}}
{{- $problems = append $problems "serviceMonitor is enabled and auth.metrics is on: set serviceMonitor.authorization, or Prometheus gets 401." -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (not .Values.adminPort) (not .Values.serviceMonitor.tlsConfig) -}}
{{- $problems = append $problems "serviceMonitor is enabled and /metrics uses TLS: set serviceMonitor.tlsConfig with the CA, or adminPort." -}}
{{- end -}}
{{- end -}}
{{- with .Values.datadog.events -}}
{{- if and .url (not .existingSecret) -}}
{{- $problems = append $problems "datadog.events.url is set without datadog.events.existingSecret: no events are sent." -}}
{{- end -}}
{{- if and .existingSecret (not .url) $.Values.datadog.url -}}
{{- $problems = append $problems "datadog.events is set with datadog.url, but without datadog.events.url: say where events go, such as https://event-management-intake.datadoghq.com." -}}
{{- end -}}
{{- end -}}
{{- if .Values.datadogAgent.enabled -}}
{{- if .Values.auth.metrics -}}
{{- $problems = append $problems "datadogAgent is enabled and auth.metrics is on: the agent has no token, and would get 401. Set adminPort and restrict it by networkPolicy instead." -}}
{{- end -}}
{{- if and .Values.tls.existingSecret (not .Values.adminPort) -}}
{{- $problems = append $problems "datadogAgent is enabled and /metrics uses TLS: set adminPort." -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- $problems = append $problems "datadogAgent is enabled and networkPolicy.metricsFrom is empty: the agent could not connect. List its peers." -}}
{{- end -}}
{{- if hasKey .Values.podAnnotations (include "cuj-gate.agentAnnotation" .) -}}
{{- $problems = append $problems "podAnnotations contains ad.datadoghq.com/cuj-gate.checks, which datadogAgent sets: keep one of them." -}}
{{- end -}}
{{- end -}}
{{- $owners := fromYaml (include "cuj-gate.owners" .) -}}
{{- $seen := dict -}}
{{- $extraNames := printf "^CUJ_GATE_(%s)_" (join "|" $extra | upper | replace "-" "_") -}}
{{- range .Values.extraEnv -}}
{{- if hasKey $owners .name -}}
{{- $problems = append $problems (printf "extraEnv contains %s: set %s instead." .name (get $owners .name)) -}}
{{- else if and (hasPrefix "CUJ_GATE_" .name) (not (and $extra (regexMatch $extraNames .name))) -}}
{{- $problems = append $problems (printf "extraEnv contains %s, which is not a setting of the gate: it would not start. See docs/settings.md for the settings and values.yaml for their values." .name) -}}
{{- else if hasKey $seen .name -}}
{{- $problems = append $problems (printf "extraEnv contains %s twice: keep one of them." .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- /* Duplicate labels break the selector. */ -}}
{{- $own := fromYaml (include "cuj-gate.labels" .) -}}
{{- range $path, $labels := dict "podLabels" .Values.podLabels "serviceMonitor.labels" .Values.serviceMonitor.labels "prometheusRule.labels" .Values.prometheusRule.labels "dashboard.labels" .Values.dashboard.labels -}}
{{- range $key, $value := $labels -}}
{{- if hasKey $own $key -}}
{{- $problems = append $problems (printf "%s contains %s, a label that the chart sets: remove it%s." $path $key (ternary ", or set nameOverride" "" (eq $key "app.kubernetes.io/name"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "/v1/traces/*$" .Values.tracing.endpoint -}}
{{- $problems = append $problems "tracing.endpoint ends in /v1/traces, which the gate appends: remove it." -}}
{{- end -}}
{{- if regexMatch "(?i)^(localhost|ip6-localhost|127\\..*|::1|::ffff:127\\..*|(0+:){7}0*1)$" .Values.settings.host -}}
{{- $problems = append $problems (printf "settings.host is %s, which is unreachable from outside the pod, also for probes: use 0.0.0.0, or \"::\" if pods have only IPv6." .Values.settings.host) -}}
{{- end -}}
{{- with .Values.serviceMonitor -}}
{{- if gt (include "cuj-gate.ms" .scrapeTimeout | int64) (include "cuj-gate.ms" .interval | int64) -}}
{{- $problems = append $problems (printf "serviceMonitor.scrapeTimeout is %s, longer than serviceMonitor.interval, %s: Prometheus would refuse both." .scrapeTimeout .interval) -}}
{{- end -}}
{{- end -}}
{{- /* extraEgress is not checked. */ -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) -}}
{{- $keys := ternary (list "auth.oidc.jwksUrl" .Values.auth.oidc.jwksUrl) (list "auth.oidc.issuer" .Values.auth.oidc.issuer) (not (empty .Values.auth.oidc.jwksUrl)) -}}
{{- $browserKeys := ternary (list "auth.browserOidc.jwksUrl" .Values.auth.browserOidc.jwksUrl) (list "auth.browserOidc.issuer" .Values.auth.browserOidc.issuer) (not (empty .Values.auth.browserOidc.jwksUrl)) -}}
{{- $datadog := ternary (list "datadog.url" .Values.datadog.url) (list "datadog.site" (printf "https://api.%s" .Values.datadog.site)) (not (empty .Values.datadog.url)) -}}
{{- if not (include "cuj-gate.usesDatadog" .) -}}
{{- $datadog = list "datadog.url" "" -}}
{{- end -}}
{{- range list $datadog (list "prometheus.url" .Values.prometheus.url) (list "datadog.events.url" .Values.datadog.events.url) $keys $browserKeys -}}
{{- if index . 1 -}}
{{- $port := include "cuj-gate.urlPort" (index . 1) -}}
{{- if ne $port (toString $.Values.networkPolicy.egressPort) -}}
{{- $problems = append $problems (printf "networkPolicy allows no egress to port %s, which %s needs: set networkPolicy.egressPort, or open it in networkPolicy.extraEgress." $port (index . 0)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\ncuj-gate cannot be installed like this:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}
