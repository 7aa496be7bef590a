{{/*
What an agent may write: status and its finalizer of the objects of its own node, its node's Hypervisor and heartbeat.
RBAC cannot tell whose node an object is of, so this is what keeps a stolen node from touching others. An agent is known by
the node that its token is bound to, directly or through its pod; a token without one may write nothing.
Called with (list root name annotations).
*/}}
{{- define "drover.agentPolicy" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ index . 1 }}
  labels: {{- include "drover.labels" (list $root "admission") | nindent 4 }}
  {{- with index . 2 }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  failurePolicy: Fail
  matchConstraints:
    matchPolicy: Equivalent
    resourceRules:
      - apiGroups: [drover.dev]
        apiVersions: ["*"]
        operations: ["*"]
        resources: ["*/*"]
      - apiGroups: [coordination.k8s.io]
        apiVersions: ["*"]
        operations: ["*"]
        resources: [leases]
  matchConditions:
    - name: by-an-agent
      expression: request.userInfo.username == {{ include "drover.agentUser" $root | squote }}
  variables:
    - name: claim
      expression: "'authentication.kubernetes.io/node-name'"
    - name: node
      expression: >-
        has(request.userInfo.extra) && variables.claim in request.userInfo.extra
        ? request.userInfo.extra[variables.claim][0] : ''
    - name: kind
      expression: request.resource.resource
    - name: part
      expression: "has(request.subResource) ? request.subResource : ''"
    - name: found # before the change where there is a before: nobody moves an object to his own node
      expression: "oldObject != null ? oldObject : object"
    - name: target
      expression: >-
        variables.kind == 'domains' ? variables.found.spec.nodeName
        : variables.kind in ['storagevolumes', 'virtualmachineimages'] && has(variables.found.status) && has(variables.found.status.nodeName) ? variables.found.status.nodeName
        : variables.kind == 'hypervisors' ? variables.found.metadata.name
        : variables.kind == 'leases' && variables.found.metadata.name.startsWith('drover-node-') ? variables.found.metadata.name.substring(12)
        : ''
    - name: finalizer
      expression: "variables.kind == 'domains' ? 'drover.dev/agent' : variables.kind == 'storagevolumes' ? 'drover.dev/volume' : 'drover.dev/image'"
    - name: finalizersBefore
      expression: "oldObject != null && has(oldObject.metadata.finalizers) ? oldObject.metadata.finalizers : []"
    - name: finalizersAfter
      expression: "object != null && has(object.metadata.finalizers) ? object.metadata.finalizers : []"
  validations:
    - expression: variables.node != ''
      message: the agent's token names no node; it must be bound to a Pod or a Node
      reason: Forbidden
    - expression: variables.node == '' || variables.target == variables.node
      messageExpression: >-
        'the agent of node ' + variables.node + ' may not write ' + variables.kind + ' of '
        + (variables.target == '' ? 'no node' : 'node ' + variables.target)
      reason: Forbidden
    - expression: >-
        request.operation == 'UPDATE' || (request.operation == 'CREATE' && variables.kind in ['hypervisors', 'leases'])
      messageExpression: "'an agent may not ' + request.operation + ' ' + variables.kind"
      reason: Forbidden
    - expression: >-
        variables.kind == 'leases' || (variables.part == 'status' && variables.kind in ['domains', 'hypervisors'])
        || (variables.part == '' && (request.operation != 'UPDATE' || object.spec == oldObject.spec))
      message: an agent writes status and finalizers only
      reason: Forbidden
    - expression: >-
        request.operation == 'CREATE'
        ? !has(object.metadata.labels) && !has(object.metadata.ownerReferences) && !has(object.metadata.annotations)
        : request.operation != 'UPDATE' || (
        (has(object.metadata.labels) ? object.metadata.labels : {}) == (has(oldObject.metadata.labels) ? oldObject.metadata.labels : {})
        && (has(object.metadata.ownerReferences) ? object.metadata.ownerReferences : []) == (has(oldObject.metadata.ownerReferences) ? oldObject.metadata.ownerReferences : [])
        && (has(object.metadata.annotations) ? object.metadata.annotations : {}).all(name, has(oldObject.metadata.annotations) && name in oldObject.metadata.annotations && oldObject.metadata.annotations[name] == object.metadata.annotations[name])
        && (has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {}).all(name, (variables.kind == 'hypervisors' && name == 'drover.dev/remove-orphan') || (has(object.metadata.annotations) && name in object.metadata.annotations)))
      message: an agent changes no labels, owners or annotations; it takes off drover.dev/remove-orphan when that is done
      reason: Forbidden
    - expression: >-
        request.operation == 'CREATE' ? variables.finalizersAfter == [] : request.operation != 'UPDATE'
        || (variables.finalizersBefore.all(name, (name == variables.finalizer && variables.kind in ['domains', 'storagevolumes', 'virtualmachineimages']) || name in variables.finalizersAfter)
        && variables.finalizersAfter.all(name, (name == variables.finalizer && variables.kind in ['domains', 'storagevolumes', 'virtualmachineimages']) || name in variables.finalizersBefore))
      message: an agent adds and removes no finalizer but its own
      reason: Forbidden
{{- end }}
