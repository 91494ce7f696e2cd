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

{{/* Who the pods run as; without a user the cluster chooses one. */}}
{{- define "apidown.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "apidown.pullSecrets" -}}
{{- with . -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
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
{{- if regexMatch "://[^/@]*:[^/@]*@" .Values.redis.url -}}
{{- fail "redis.url has a password in it: name its secret in redis.existingSecret, and leave it out of the URL" -}}
{{- end -}}
{{- if and .Values.ca.existingSecret .Values.ca.existingConfigMap -}}
{{- fail "ca.existingSecret and ca.existingConfigMap are both given: give one of them" -}}
{{- end -}}
{{- range .Values.env -}}
{{- if regexMatch "^(SLACK_(BOT|APP)_TOKEN|APIDOWN_(SLACK_.*|REDIS_.*|WEBHOOK_TOKEN|CONFIG|STATE_DIR|HEALTH_.*|LOG_.*|REPLICA))$" .name -}}
{{- fail (printf "env has %s, which the chart sets itself: use the value that is there for it" .name) -}}
{{- end -}}
{{- end -}}
{{- include "apidown.judgeFiles" . -}}
{{- if and .Values.rbac.create (not (include "apidown.inCluster" .)) -}}
{{- fail "rbac.create is for a cluster of config with in_cluster: true, and there is none" -}}
{{- end -}}
{{- if and .Values.rbac.podLogs (not .Values.rbac.create) -}}
{{- fail "rbac.podLogs adds to what rbac.create gives: set rbac.create=true" -}}
{{- end -}}
{{- end -}}

{{/* The files that the configuration names must be where the pod has them. */}}
{{- define "apidown.judgeFiles" -}}
{{- range $name, $cluster := (default dict .Values.config.clusters) -}}
{{- range $key := list "kubeconfig" "token_file" "client_certificate" "client_key" "ca" -}}
{{- $path := default "" (get $cluster $key) -}}
{{- if and $path (not (contains "-----BEGIN" $path)) -}}
{{- if not (hasPrefix "/" $path) -}}
{{- fail (printf "config.clusters.%s.%s is a relative path: files are in %s/" $name $key $.Values.clusterFiles.mountPath) -}}
{{- end -}}
{{- if and (hasPrefix (printf "%s/" $.Values.clusterFiles.mountPath) $path) (not $.Values.clusterFiles.existingSecret) -}}
{{- fail (printf "config.clusters.%s.%s is in %s, so clusterFiles.existingSecret is needed: the name of the secret with that file" $name $key $.Values.clusterFiles.mountPath) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
