{{/*
The second map merged over the first: maps are merged, everything else is replaced, also by false, 0 and null. (The
functions merge and mergeOverwrite treat an empty value as missing.) list base over
*/}}
{{- define "toroku.merged" -}}
{{- $result := dict -}}
{{- range $key, $value := index . 0 }}{{ $_ := set $result $key $value }}{{ end -}}
{{- range $key, $value := index . 1 -}}
  {{- if and (kindIs "map" $value) (kindIs "map" (get $result $key)) -}}
    {{- $_ := set $result $key (include "toroku.merged" (list (get $result $key) $value) | fromYaml) -}}
  {{- else -}}
    {{- $_ := set $result $key $value -}}
  {{- end -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{/* Every enabled service by its name, merged over the defaults. */}}
{{- define "toroku.services" -}}
{{- $services := dict -}}
{{- range $name, $own := .Values.services -}}
  {{- $service := include "toroku.merged" (list $.Values.defaults ($own | default dict)) | fromYaml -}}
  {{- if $service.enabled -}}
    {{- $_ := set $services $name $service -}}
  {{- end -}}
{{- end -}}
{{- toYaml $services -}}
{{- end -}}

{{/* The instance's id: the overlay's, otherwise the profile's. It is part of every SPIFFE id. */}}
{{- define "toroku.instance" -}}
{{- $overlay := dict }}{{ with .Values.overlay }}{{ $overlay = fromYaml . }}{{ end -}}
{{- $profile := dict }}{{ with .Values.profile }}{{ $profile = fromYaml . }}{{ end -}}
{{- get $overlay "id" | default (get $profile "id") | toString -}}
{{- end -}}

{{/* The Secret with a service's certificate: list root name service */}}
{{- define "toroku.certificateSecret" -}}
{{- (index . 2).certificate.secretName | default (include "toroku.named" (list (index . 0) (printf "%s-tls" (index . 1)))) -}}
{{- end -}}

{{/* The Secret with the certificate of a public listener: list root name service */}}
{{- define "toroku.publicSecret" -}}
{{- (index . 2).certificate.publicSecretName | default (index . 0).Values.certificates.public.secretName | default (include "toroku.named" (list (index . 0) (printf "%s-public-tls" (index . 1)))) -}}
{{- end -}}

{{- define "toroku.bidderProofSecret" -}}
{{- .Values.certificates.bidderProof.secretName | default (include "toroku.named" (list . "bidder-proof")) -}}
{{- end -}}

{{/* "true" if servers use the database through a pooler: list root service */}}
{{- define "toroku.pooled" -}}
{{- $root := index . 0 }}{{ $service := index . 1 -}}
{{- if eq $root.Values.database.mode "external" }}{{ if $service.database.pooled }}true{{ end }}
{{- else if $root.Values.database.cloudnativePG.pooler.enabled }}true{{ end -}}
{{- end -}}
