{{- define "lowtide.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{ $name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "lowtide.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lowtide.labels" -}}
{{ include "lowtide.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- /* The policies: those that are given, or one for each QoS class below kubelet's root. */ -}}
{{- define "lowtide.policies" -}}
{{- if .Values.policies -}}
{{ dict "policies" .Values.policies | toYaml }}
{{- else -}}
{{- $text := .Files.Get "files/kubernetes.yaml" -}}
{{- with .Values.cgroupRoot -}}
{{- $text = $text | replace "/kubepods.slice/kubepods-" (printf "/%[1]s.slice/%[1]s-kubepods.slice/%[1]s-kubepods-" .) -}}
{{- $text = $text | replace "'/kubepods/" (printf "'/%s/kubepods/" .) -}}
{{- end -}}
{{ $text | trim }}
{{- end -}}
{{- end }}

{{- /* What is configured has to be mounted; else the daemon would find it read-only on every node. */ -}}
{{- define "lowtide.mounted" -}}
{{- $tiers := .Values.config.tiers | default dict -}}
{{- $hotness := .Values.config.hotness | default dict -}}
{{- if and (hasKey $tiers "zswap") (not .Values.host.zswap) }}{{ fail "config.tiers.zswap is written below /sys/module/zswap/parameters: set host.zswap" }}{{ end -}}
{{- if and (hasKey $tiers "demotion") (not .Values.host.demotion) }}{{ fail "config.tiers.demotion is written below /sys/kernel/mm/numa: set host.demotion" }}{{ end -}}
{{- if and (hasKey .Values.config "balancer") (not .Values.host.zram) }}{{ fail "config.balancer writes below /sys/devices/virtual/block: set host.zram" }}{{ end -}}
{{- if and (eq ($hotness.source | default "auto") "damon") (not .Values.host.damon) }}{{ fail "config.hotness.source is damon, which is written below /sys/kernel/mm/damon: set host.damon" }}{{ end -}}
{{- end }}
