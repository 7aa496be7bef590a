{{/* Labels of everything; called with (list root component). */}}
{{- define "drover.labels" -}}
{{- $root := index . 0 -}}
{{ include "drover.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: drover
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What pods of a component are selected by: it never changes, as selectors cannot. */}}
{{- define "drover.selector" -}}
app.kubernetes.io/name: drover
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of pods: nothing that changes with a release that changes nothing about them. */}}
{{- define "drover.podLabels" -}}
{{ include "drover.selector" . }}
app.kubernetes.io/part-of: drover
{{- with (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The image of all processes. */}}
{{- define "drover.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* A container that needs nothing of its node. */}}
{{- define "drover.unprivileged" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* A pod that passes the level "restricted". */}}
{{- define "drover.restricted" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* User names of the two accounts, as the API server knows them. */}}
{{- define "drover.controllerUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:drover-controller
{{- end }}
{{- define "drover.agentUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:drover-agent
{{- end }}
