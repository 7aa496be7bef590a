{{/* Where the agent's port listens: HOST_IP is its own environment variable. */}}
{{- define "drover.agentHost" -}}
{{- if eq (include "drover.agentListens" .) "Node" }}$(HOST_IP){{ else }}127.0.0.1{{ end }}
{{- end }}

{{/* Loopback or Node. */}}
{{- define "drover.agentListens" -}}
{{- if ne .Values.agent.listen "Auto" }}{{ .Values.agent.listen }}{{ else if include "drover.monitors" . }}Node{{ else }}Loopback{{ end }}
{{- end }}

{{/* Where the kubelet, which shares the node's network, finds the port. */}}
{{- define "drover.agentProbe" -}}
{{- if eq (include "drover.agentListens" .) "Loopback" }}, host: 127.0.0.1{{ end }}
{{- end }}
