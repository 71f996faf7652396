{{/* The servers and workers of a service, as a peer: list root service */}}
{{- define "toroku.podsOf" -}}
podSelector:
  matchLabels:
    app.kubernetes.io/name: {{ index . 1 }}
    app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
  matchExpressions:
    - {key: app.kubernetes.io/component, operator: In, values: [server, worker]}
{{- end -}}

{{/* The pod of `helm test`, as a peer. */}}
{{- define "toroku.checkPods" -}}
podSelector:
  matchLabels:
    {{- include "toroku.selector" (list . "operator" "check") | nindent 4 }}
{{- end -}}

{{/* One external host of the values, as a rule; empty if it has no addresses. */}}
{{- define "toroku.destination" -}}
{{- if .to }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "toroku.dnsEgress" -}}
{{- with .Values.networkPolicy.dns }}
{{- if .to }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* To the database that a service uses: dict root name service */}}
{{- define "toroku.databaseEgress" -}}
{{- if .service.database.enabled -}}
{{- $owner := include "toroku.databaseOwner" (list .name .service) }}
{{- if eq .root.Values.database.mode "cloudnative-pg" }}
- to:
    - podSelector: {matchLabels: {cnpg.io/cluster: {{ include "toroku.cluster" (list .root $owner) }}}}
    {{- if .root.Values.database.cloudnativePG.pooler.enabled }}
    - podSelector: {matchLabels: {cnpg.io/poolerName: {{ include "toroku.pooler" (list .root $owner) }}}}
    {{- end }}
  ports: [{protocol: TCP, port: 5432}]
{{- else }}
{{- include "toroku.destination" .root.Values.networkPolicy.destinations.database }}
{{- end }}
{{- end -}}
{{- end -}}
