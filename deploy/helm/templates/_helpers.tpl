{{- define "secc.name" -}}
{{- if contains "secc" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-secc" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "secc.selector" -}}
app.kubernetes.io/name: secc
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "secc.labels" -}}
{{ include "secc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
