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

{{/*
Every enabled service by its name, merged over the defaults. One that is `of` another has that one's image and the
addresses of its database, where it gives none of its own.
*/}}
{{- define "toroku.services" -}}
{{- $services := dict -}}
{{- range $name, $own := .Values.services -}}
  {{- $service := include "toroku.merged" (list $.Values.defaults ($own | default dict)) | fromYaml -}}
  {{- if $service.enabled -}}
    {{- $_ := set $services $name $service -}}
  {{- end -}}
{{- end -}}
{{- range $name, $service := $services -}}
  {{- if and $service.of (hasKey $services $service.of) -}}
    {{- $owner := get $services $service.of -}}
    {{- $image := include "toroku.merged" (list $owner.image (dig "image" dict (get $.Values.services $name))) | fromYaml -}}
    {{- $_ := set $image "repository" ($image.repository | default (printf "toroku/%s" $service.of)) -}}
    {{- $_ := set $service "image" $image -}}
    {{- if not (or $service.database.direct $service.database.pooled) -}}
      {{- $_ := set $service.database "direct" $owner.database.direct -}}
      {{- $_ := set $service.database "pooled" $owner.database.pooled -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $services -}}
{{- end -}}

{{/* The service that keeps the database which a service uses: list name service */}}
{{- define "toroku.databaseOwner" -}}
{{- (index . 1).of | default (index . 0) -}}
{{- end -}}

{{/* "true" if a service keeps a database, and so migrates it: service */}}
{{- define "toroku.keepsDatabase" -}}
{{- if and .database.enabled (not .of) }}true{{ end -}}
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

{{- define "toroku.historySecret" -}}
{{- .Values.certificates.history.secretName | default (include "toroku.named" (list . "history")) -}}
{{- end -}}

{{- define "toroku.feedSecret" -}}
{{- .Values.certificates.feed.secretName | default (include "toroku.named" (list . "feed")) -}}
{{- end -}}

{{- define "toroku.officerProofSecret" -}}
{{- .Values.certificates.officerProof.secretName | default (include "toroku.named" (list . "officer-proof")) -}}
{{- end -}}

{{/* Whether this process signs officer proofs: dict service role */}}
{{- define "toroku.signsOfficerProofs" -}}
{{- if and (eq .role "server") (eq .service.officerProof "private") }}true{{ end -}}
{{- end -}}

{{/* Whether this process verifies officer proofs: dict service role */}}
{{- define "toroku.verifiesOfficerProofs" -}}
{{- if and (eq .role "server") (ne .service.officerProof "none") }}true{{ end -}}
{{- end -}}

{{- define "toroku.actProofSecret" -}}
{{- .Values.certificates.actProof.secretName | default (include "toroku.named" (list . "act-proof")) -}}
{{- end -}}

{{/* Whether this process signs act proofs: dict service role */}}
{{- define "toroku.signsActProofs" -}}
{{- if and (eq .role "server") (eq .service.actProof "private") }}true{{ end -}}
{{- end -}}

{{/* Whether this process verifies act proofs: dict service role */}}
{{- define "toroku.verifiesActProofs" -}}
{{- if and (eq .role "server") (eq .service.actProof "public") }}true{{ end -}}
{{- end -}}

{{/* Whether a bundle of CAs of officers is given: the root */}}
{{- define "toroku.officerClientsGiven" -}}
{{- with .Values.officerClients -}}
{{- if or .certificates .configMapName .secretName }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether this process knows officers by their CAs: dict root service role */}}
{{- define "toroku.knowsOfficers" -}}
{{- if and (include "toroku.verifiesOfficerProofs" .) (include "toroku.officerClientsGiven" .root) }}true{{ end -}}
{{- end -}}

{{- define "toroku.draftsSecret" -}}
{{- .Values.certificates.drafts.secretName | default (include "toroku.named" (list . "drafts")) -}}
{{- end -}}

{{/* Whether this process shows pages, and so seals drafts: dict service role */}}
{{- define "toroku.sealsDrafts" -}}
{{- if and (eq .role "server") (eq .service.drafts "private") }}true{{ end -}}
{{- end -}}

{{- define "toroku.mailedSecretsSecret" -}}
{{- .Values.certificates.mailedSecrets.secretName | default (include "toroku.named" (list . "mailed-secrets")) -}}
{{- end -}}

{{/* Whether this process seals or opens secrets that are mailed: dict service role */}}
{{- define "toroku.handlesMailedSecrets" -}}
{{- if or (and (eq .role "server") (eq .service.mailedSecrets "sealed")) (and (eq .role "worker") (eq .service.mailedSecrets "opened")) }}true{{ end -}}
{{- end -}}

{{/* Whether this process seals a history: dict service role */}}
{{- define "toroku.seals" -}}
{{- if and (eq .role "worker") (eq .service.history "private") }}true{{ end -}}
{{- end -}}

{{/* Whether this process signs snapshots of feeds: dict service role */}}
{{- define "toroku.signsSnapshots" -}}
{{- if and (eq .role "worker") (eq .service.feed "private") }}true{{ end -}}
{{- end -}}

{{/* "true" if servers use the database through a pooler: list root service */}}
{{- define "toroku.pooled" -}}
{{- $root := index . 0 }}{{ $service := index . 1 -}}
{{- if eq $root.Values.database.mode "external" }}{{ if $service.database.pooled }}true{{ end }}
{{- else if $root.Values.database.cloudnativePG.pooler.enabled }}true{{ end -}}
{{- end -}}
