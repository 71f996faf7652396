{{/*
The volumes of a pod, always mounted as whole folders: a file mounted by subPath is never updated. Secrets are readable
by the pod's group only (288 is 0440).
*/}}

{{/* A ConfigMap or a Secret, whichever is named: dict name source (a map with configMapName, secretName) */}}
{{- define "toroku.volumeFrom" -}}
- name: {{ .name }}
  {{- if .source.secretName }}
  secret: {secretName: {{ .source.secretName }}, defaultMode: 288}
  {{- else }}
  configMap: {name: {{ .source.configMapName | quote }}}
  {{- end }}
{{- end -}}

{{/* The password of the database's role: dict root name service pooled volume (its name) */}}
{{- define "toroku.passwordVolume" -}}
{{- $volume := .volume }}
{{- with include "toroku.databasePassword" . }}{{ $secret := fromJson . }}
- name: {{ $volume }}
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 288
    # Only the password, which is read for every connection.
    items: [{key: {{ $secret.key }}, path: password}]
{{- end }}
{{- end -}}

{{/*
The CA of the database and the password of its role. A server behind a pooler has two addresses in its pod, one of which
the migration uses: dict root name service pooled (whether the pod's process uses the pooler)
*/}}
{{- define "toroku.databaseVolume" -}}
{{- if .service.database.enabled -}}
{{- if eq .root.Values.database.mode "cloudnative-pg" }}
- name: database-ca
  secret:
    secretName: {{ include "toroku.cluster" (list .root (include "toroku.databaseOwner" (list .name .service))) }}-ca
    defaultMode: 288
    # Only the certificate: the Secret also holds the CA's key.
    items: [{key: ca.crt, path: ca.crt}]
{{- else if hasPrefix "verify-" .root.Values.database.tls.mode }}
{{ include "toroku.volumeFrom" (dict "name" "database-ca" "source" .root.Values.database.tls.ca) }}
{{- end }}
{{- if or (not .pooled) (include "toroku.keepsDatabase" .service) }}
{{- include "toroku.passwordVolume" (dict "root" .root "name" .name "service" .service "pooled" "" "volume" "database-password") }}
{{- end }}
{{- if .pooled }}
{{- include "toroku.passwordVolume" (dict "root" .root "name" .name "service" .service "pooled" "true" "volume" "pooler-password") }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* dict root name service pooled */}}
{{- define "toroku.databaseMount" -}}
{{- if .service.database.enabled -}}
{{- if or (eq .root.Values.database.mode "cloudnative-pg") (hasPrefix "verify-" .root.Values.database.tls.mode) }}
- {name: database-ca, mountPath: /database-ca, readOnly: true}
{{- end }}
{{- if include "toroku.databasePassword" . }}
- {name: {{ ternary "pooler-password" "database-password" (not (empty .pooled)) }}, mountPath: /database-password, readOnly: true}
{{- end }}
{{- end -}}
{{- end -}}

{{/* dict root name service role */}}
{{- define "toroku.volumes" -}}
{{- $root := .root }}{{ $service := .service }}{{ $values := .root.Values }}{{ $server := eq .role "server" }}
- name: temporary
  emptyDir: {sizeLimit: {{ $service.temporarySpace }}}
- name: profile
  configMap: {name: {{ include "toroku.named" (list $root "profile") }}}
- name: certificates
  secret: {secretName: {{ include "toroku.certificateSecret" (list $root .name $service) }}, defaultMode: 288}
{{- if and $server $service.listeners.agency $values.agency.enabled }}
{{- $given := or $values.agencyClients.configMapName $values.agencyClients.secretName }}
{{- $made := dict "configMapName" (include "toroku.named" (list $root "agency-clients")) }}
{{ include "toroku.volumeFrom" (dict "name" "agency-clients" "source" (ternary $values.agencyClients $made (not (empty $given)))) }}
- name: callers
  configMap: {name: {{ $values.callers.configMapName | default (include "toroku.named" (list $root "callers")) }}}
{{- end }}
{{- if include "toroku.knowsOfficers" . }}
{{- $given := or $values.officerClients.configMapName $values.officerClients.secretName }}
{{- $made := dict "configMapName" (include "toroku.named" (list $root "officer-clients")) }}
{{ include "toroku.volumeFrom" (dict "name" "officer-clients" "source" (ternary $values.officerClients $made (not (empty $given)))) }}
{{- end }}
{{- if and $server $service.listeners.public }}
- name: public-certificate
  secret:
    secretName: {{ include "toroku.publicSecret" (list $root .name $service) }}
    defaultMode: 288
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- $proof := $values.certificates.bidderProof }}
{{- if eq $service.bidderProof "private" }}
- name: bidder-proof
  secret:
    secretName: {{ include "toroku.bidderProofSecret" $root }}
    defaultMode: 288
    items: [{key: {{ $proof.privateKey }}, path: key.pem}]
{{- end }}
{{- if ne $service.bidderProof "none" }}
- name: bidder-proof-public
  secret:
    secretName: {{ $proof.publicSecretName | default (include "toroku.bidderProofSecret" $root) }}
    defaultMode: 288
    # Only the public half: the private key is in the same Secret.
    items: [{key: {{ $proof.publicKeys }}, path: keys.pem}]
{{- end }}
{{- if include "toroku.seals" . }}
- name: history
  secret:
    secretName: {{ include "toroku.historySecret" $root }}
    defaultMode: 288
    items: [{key: {{ $values.certificates.history.privateKey }}, path: key.pem}]
{{- end }}
{{- if include "toroku.signsSnapshots" . }}
- name: feed
  secret:
    secretName: {{ include "toroku.feedSecret" $root }}
    defaultMode: 288
    items: [{key: {{ $values.certificates.feed.privateKey }}, path: key.pem}]
{{- end }}
{{- $officerProof := $values.certificates.officerProof }}
{{- if include "toroku.signsOfficerProofs" . }}
- name: officer-proof
  secret:
    secretName: {{ include "toroku.officerProofSecret" $root }}
    defaultMode: 288
    items: [{key: {{ $officerProof.privateKey }}, path: key.pem}]
{{- end }}
{{- if include "toroku.verifiesOfficerProofs" . }}
- name: officer-proof-public
  secret:
    secretName: {{ $officerProof.publicSecretName | default (include "toroku.officerProofSecret" $root) }}
    defaultMode: 288
    # Only the public half: the private key is in the same Secret.
    items: [{key: {{ $officerProof.publicKeys }}, path: keys.pem}]
{{- end }}
{{- $actProof := $values.certificates.actProof }}
{{- if include "toroku.signsActProofs" . }}
- name: act-proof
  secret:
    secretName: {{ include "toroku.actProofSecret" $root }}
    defaultMode: 288
    items: [{key: {{ $actProof.privateKey }}, path: key.pem}]
{{- end }}
{{- if include "toroku.verifiesActProofs" . }}
- name: act-proof-public
  secret:
    secretName: {{ $actProof.publicSecretName | default (include "toroku.actProofSecret" $root) }}
    defaultMode: 288
    # Only the public half: the private key is in the same Secret.
    items: [{key: {{ $actProof.publicKeys }}, path: keys.pem}]
{{- end }}
{{- if include "toroku.handlesMailedSecrets" . }}
- name: mailed-secrets
  secret:
    secretName: {{ include "toroku.mailedSecretsSecret" $root }}
    defaultMode: 288
    items: [{key: {{ $values.certificates.mailedSecrets.privateKey }}, path: key.pem}]
{{- end }}
{{- if include "toroku.sealsDrafts" . }}
- name: drafts
  secret:
    secretName: {{ include "toroku.draftsSecret" $root }}
    defaultMode: 288
    items: [{key: {{ $values.certificates.drafts.privateKey }}, path: key.pem}]
{{- end }}
{{- if and $service.mail (or $values.mail.ca.configMapName $values.mail.ca.secretName) }}
{{ include "toroku.volumeFrom" (dict "name" "mail-ca" "source" $values.mail.ca) }}
{{- end }}
{{- include "toroku.databaseVolume" (dict "root" .root "name" .name "service" $service "pooled" (include "toroku.usesPooler" .)) }}
{{- with $service.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "toroku.mounts" -}}
{{- $service := .service }}{{ $values := .root.Values }}{{ $server := eq .role "server" }}
- {name: temporary, mountPath: /tmp}
- {name: profile, mountPath: /profile, readOnly: true}
- {name: certificates, mountPath: /certificates, readOnly: true}
{{- if and $server $service.listeners.agency $values.agency.enabled }}
- {name: agency-clients, mountPath: /agency-clients, readOnly: true}
- {name: callers, mountPath: /callers, readOnly: true}
{{- end }}
{{- if include "toroku.knowsOfficers" . }}
- {name: officer-clients, mountPath: /officer-clients, readOnly: true}
{{- end }}
{{- if and $server $service.listeners.public }}
- {name: public-certificate, mountPath: /public-certificate, readOnly: true}
{{- end }}
{{- if eq $service.bidderProof "private" }}
- {name: bidder-proof, mountPath: /bidder-proof, readOnly: true}
{{- end }}
{{- if ne $service.bidderProof "none" }}
- {name: bidder-proof-public, mountPath: /bidder-proof-public, readOnly: true}
{{- end }}
{{- if include "toroku.seals" . }}
- {name: history, mountPath: /history, readOnly: true}
{{- end }}
{{- if include "toroku.signsSnapshots" . }}
- {name: feed, mountPath: /feed, readOnly: true}
{{- end }}
{{- if include "toroku.signsOfficerProofs" . }}
- {name: officer-proof, mountPath: /officer-proof, readOnly: true}
{{- end }}
{{- if include "toroku.verifiesOfficerProofs" . }}
- {name: officer-proof-public, mountPath: /officer-proof-public, readOnly: true}
{{- end }}
{{- if include "toroku.signsActProofs" . }}
- {name: act-proof, mountPath: /act-proof, readOnly: true}
{{- end }}
{{- if include "toroku.verifiesActProofs" . }}
- {name: act-proof-public, mountPath: /act-proof-public, readOnly: true}
{{- end }}
{{- if include "toroku.handlesMailedSecrets" . }}
- {name: mailed-secrets, mountPath: /mailed-secrets, readOnly: true}
{{- end }}
{{- if include "toroku.sealsDrafts" . }}
- {name: drafts, mountPath: /drafts, readOnly: true}
{{- end }}
{{- if and $service.mail (or $values.mail.ca.configMapName $values.mail.ca.secretName) }}
- {name: mail-ca, mountPath: /mail-ca, readOnly: true}
{{- end }}
{{- include "toroku.databaseMount" (dict "root" .root "name" .name "service" $service "pooled" (include "toroku.usesPooler" .)) }}
{{- with $service.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
