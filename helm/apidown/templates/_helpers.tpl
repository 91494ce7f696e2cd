{{- define "apidown.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "apidown.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "apidown.labels" -}}
{{ include "apidown.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "apidown.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "apidown.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "apidown.image" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}

{{/* "true" when a cluster of the configuration is the one that the bot runs in. */}}
{{- define "apidown.inCluster" -}}
{{- range $name, $cluster := (default dict .Values.config.clusters) -}}
{{- if $cluster.in_cluster -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "apidown.configuration" -}}
{{- $config := .Values.config -}}
{{- if or .Values.playbooks .Values.causes -}}
{{- if .Values.config.playbooks -}}
{{- fail "config.playbooks names a folder, and playbooks or causes are given too: leave config.playbooks out" -}}
{{- end -}}
{{- $config = merge (dict "playbooks" "playbooks") $config -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "apidown.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Everything that has to be chosen by a person is asked for here, in one sentence each. */}}
{{- define "apidown.judge" -}}
{{- $_ := required "slack.existingSecret is needed: the name of the secret with the keys bot-token and app-token" .Values.slack.existingSecret -}}
{{- if .Values.valkey.enabled -}}
{{- $_ := required "valkey.existingSecret is needed: the name of the secret with the key valkey-password; or set valkey.enabled=false and redis.url" .Values.valkey.existingSecret -}}
{{- if or .Values.redis.url .Values.redis.existingSecret -}}
{{- fail "redis and valkey.enabled are both given: set valkey.enabled=false to use your own Redis" -}}
{{- end -}}
{{- else if not (or .Values.redis.url .Values.redis.existingSecret) -}}
{{- fail "there is no store: set valkey.enabled=true, or redis.url, or redis.existingSecret" -}}
{{- end -}}
{{- if and .Values.rbac.create (not (include "apidown.inCluster" .)) -}}
{{- fail "rbac.create is for a cluster of config with in_cluster: true, and there is none" -}}
{{- end -}}
{{- end -}}
