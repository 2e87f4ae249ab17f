{{- define "headrace.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "headrace.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "headrace.labels" -}}
{{ include "headrace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "headrace.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "headrace.container" -}}
image: {{ include "headrace.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Of a container that needs nothing but its own files. */}}
{{- define "headrace.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "headrace.unprivileged" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* JSON's strings, numbers, booleans and lists are TOML's, too. */}}
{{- define "headrace.config" -}}
{{- $own := list "listen" "certificate" "key" "client_authorities" "behind_proxy" "trusted_proxies" "tokens" "replica_secret" "advertise" -}}
{{- with .Values.settings }}{{ . | trim }}

{{ end -}}
[serve]
listen = {{ "0.0.0.0:8443" | toJson }}
{{- if eq .Values.tls.endedBy "proxy" }}
behind_proxy = true
trusted_proxies = {{ .Values.tls.trustedProxies | toJson }}
{{- else }}
certificate = "/etc/headrace-tls/tls.crt"
key = "/etc/headrace-tls/tls.key"
{{- end }}
{{- if .Values.tls.clientAuthorities }}
client_authorities = "/etc/headrace-clients/ca.crt"
{{- end }}
{{- if .Values.tokensSecret }}
tokens = "/etc/headrace-tokens/tokens.toml"
{{- end }}
{{- if .Values.replicaSecret }}
replica_secret = "/etc/headrace-replicas/secret"
{{- end }}
{{- if .Values.serve.shared_state }}
advertise = {{ printf "%s://POD_IP:8443" (eq .Values.tls.endedBy "proxy" | ternary "http" "https") | toJson }}
{{- end }}
{{- range $key, $value := .Values.serve }}
{{- if has $key $own }}{{ fail (printf "serve.%s is set by the chart: see tls, tokensSecret and replicaSecret" $key) }}{{ end }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}

{{/* Of a pod that is a client of the fleet. */}}
{{- define "headrace.fleet" -}}
[fleet]
url = {{ .Values.url | toJson }}
{{- if .Values.clients.authoritiesConfigMap }}
authorities = "/etc/headrace-ca/ca.crt"
{{- end }}
{{- end }}
