{{/* A binding that makes a policy refuse, everywhere; called with (list root policy component). */}}
{{- define "drover.refuse" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels: {{- include "drover.labels" (list (index . 0) "admission") | nindent 4 }}
  {{- with index . 2 }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [Deny]
{{- end }}

{{/* CEL: who carries out deletions that somebody else ordered and that were admitted then. */}}
{{- define "drover.executors" -}}
[{{ include "drover.controllerUser" . | squote }}, 'system:serviceaccount:kube-system:generic-garbage-collector', 'system:serviceaccount:kube-system:namespace-controller', 'system:kube-controller-manager']
{{- end }}
