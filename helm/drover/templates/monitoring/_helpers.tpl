{{/* Not empty when monitors are made. */}}
{{- define "drover.monitors" -}}
{{- include "drover.available" (list . .Values.monitoring.monitors "PodMonitor") }}
{{- end }}

{{/* Not empty when a kind of the Prometheus operator is wanted, and known where that is asked; called with (list root choice kind). */}}
{{- define "drover.available" -}}
{{- $known := (index . 0).Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 2)) -}}
{{- if or (eq (index . 1) "Enabled") (and (eq (index . 1) "Auto") $known) }}yes{{ end }}
{{- end }}
