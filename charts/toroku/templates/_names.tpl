{{/* The prefix of every object's name. */}}
{{- define "toroku.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* A name of at most `limit` characters (default 63); a longer one is cut and gets a hash, so that it stays unique: list root suffix [limit] */}}
{{- define "toroku.named" -}}
{{- $limit := 63 }}{{ if gt (len .) 2 }}{{ $limit = int (index . 2) }}{{ end -}}
{{- $name := printf "%s-%s" (include "toroku.fullname" (index . 0)) (index . 1) -}}
{{- if gt (len $name) $limit -}}
{{- printf "%s-%s" ($name | trunc (int (sub $limit 9)) | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- else -}}
{{- $name -}}
{{- end -}}
{{- end -}}

{{/* The name of a service's database cluster. CloudNativePG allows 50 characters. */}}
{{- define "toroku.cluster" -}}
{{- include "toroku.named" (list (index . 0) (printf "%s-db" (index . 1)) 50) -}}
{{- end -}}

{{- define "toroku.pooler" -}}
{{- include "toroku.named" (list (index . 0) (printf "%s-db-pool" (index . 1)) 50) -}}
{{- end -}}

{{/* A service's name without hyphens: for settings, its database and the role that owns it. */}}
{{- define "toroku.identifier" -}}
{{- . | replace "-" "_" -}}
{{- end -}}

{{/* The labels that select pods. Selectors are immutable, so they depend on no value: list root service component */}}
{{- define "toroku.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 2 }}
{{- end -}}

{{/* All labels: list root service component */}}
{{- define "toroku.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
      "app.kubernetes.io/name" (index . 1)
      "app.kubernetes.io/instance" $root.Release.Name
      "app.kubernetes.io/component" (index . 2)
      "app.kubernetes.io/part-of" "toroku"
      "app.kubernetes.io/version" ($root.Chart.AppVersion | toString)
      "app.kubernetes.io/managed-by" $root.Release.Service
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $labels := dict -}}
{{- range $key, $value := $root.Values.commonLabels }}{{ $_ := set $labels $key $value }}{{ end -}}
{{- range $key, $value := $own }}{{ $_ := set $labels $key $value }}{{ end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* The labels of a pod: without those that change with every version of the chart and would replace pods needlessly. */}}
{{- define "toroku.podLabels" -}}
{{- toYaml (omit (include "toroku.labels" . | fromYaml) "helm.sh/chart" "app.kubernetes.io/managed-by") -}}
{{- end -}}

{{/* Name, labels and annotations of an object: dict root name service component [annotations] */}}
{{- define "toroku.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "toroku.labels" (list .root .service .component) | nindent 2 }}
{{- $annotations := dict -}}
{{- range $key, $value := .root.Values.commonAnnotations }}{{ $_ := set $annotations $key $value }}{{ end -}}
{{- range $key, $value := .annotations | default dict }}{{ $_ := set $annotations $key $value }}{{ end -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image: dict root image name */}}
{{- define "toroku.image" -}}
{{- $repository := .image.repository | default (printf "toroku/%s" .name) -}}
{{- $registry := .root.Values.images.registry | trimSuffix "/" -}}
{{- $tag := .image.tag | default .root.Values.images.tag | default .root.Chart.AppVersion -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ $repository }}:{{ $tag }}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}
