{{/*
The database's address as environment variables, and where its password is: in a file, because a variable keeps its value
until the process ends. The chart never sees a password: dict root name service pooled
*/}}
{{- define "toroku.databaseEnvironment" -}}
{{- $tls := .root.Values.database.tls }}
{{- $owner := include "toroku.databaseOwner" (list .name .service) }}
{{- if eq .root.Values.database.mode "cloudnative-pg" }}
{{- $host := ternary (include "toroku.pooler" (list .root $owner)) (printf "%s-rw" (include "toroku.cluster" (list .root $owner))) (not (empty .pooled)) }}
- name: TOROKU_DATABASE
  value: {{ printf "postgresql://%s@%s:5432/%s" (include "toroku.identifier" $owner) $host (include "toroku.identifier" $owner) }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /database-ca/ca.crt
{{- else }}
- name: TOROKU_DATABASE
  value: {{ (ternary .service.database.pooled .service.database.direct (not (empty .pooled))).address | quote }}
- name: PGSSLMODE
  value: {{ $tls.mode }}
{{- if hasPrefix "verify-" $tls.mode }}
- name: PGSSLROOTCERT
  value: /database-ca/{{ $tls.ca.key }}
{{- end }}
{{- end }}
{{- if include "toroku.databasePassword" . }}
- name: TOROKU_DATABASE_PASSWORD_FILE
  value: /database-password/password
{{- end }}
{{- end -}}

{{/* The Secret with the password of the database's role and its key, as JSON, if there is one: dict root name service pooled */}}
{{- define "toroku.databasePassword" -}}
{{- if eq .root.Values.database.mode "cloudnative-pg" -}}
{{- dict "name" (printf "%s-app" (include "toroku.cluster" (list .root (include "toroku.databaseOwner" (list .name .service))))) "key" "password" | toJson -}}
{{- else -}}
{{- with (ternary .service.database.pooled .service.database.direct (not (empty .pooled))).password }}{{ toJson . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether this process uses the pooler's address: dict root service role */}}
{{- define "toroku.usesPooler" -}}
{{- if and (eq .role "server") .service.database.enabled }}{{ include "toroku.pooled" (list .root .service) }}{{ end -}}
{{- end -}}

{{/* The settings of a server or a worker: dict root services name service role */}}
{{- define "toroku.environment" -}}
{{- $root := .root }}{{ $service := .service }}{{ $values := .root.Values -}}
{{- $server := eq .role "server" -}}
{{- $settings := dict
      "TOROKU_PROFILE" "/profile/profile.yaml"
      "TOROKU_HEALTH_LISTEN" "0.0.0.0:8081"
      "TOROKU_CERTIFICATE" "/certificates/tls.crt"
      "TOROKU_PRIVATE_KEY" "/certificates/tls.key"
      "TOROKU_SERVICES_CA" "/certificates/ca.crt"
      "TOROKU_LOG_FORMAT" $values.telemetry.logFormat
      "TOROKU_OTLP_ENDPOINT" $values.telemetry.otlpEndpoint
      "TOROKU_TRACE_SAMPLING" ($values.telemetry.traceSampling | toString)
      "TOROKU_STOP_GRACE" ($service.stopGrace | toString) -}}
{{- if $server -}}
  {{- $_ := set $settings "TOROKU_CONNECTIONS" ($service.bounds.connections | int | toString) -}}
  {{- $_ := set $settings "TOROKU_STREAMS_PER_CONNECTION" ($service.bounds.streamsPerConnection | int | toString) -}}
  {{- $_ := set $settings "TOROKU_CONCURRENT_CALLS" ($service.bounds.concurrentCalls | int | toString) -}}
  {{- $_ := set $settings "TOROKU_HANDSHAKE_TIMEOUT" ($service.bounds.handshakeTimeout | int | toString) -}}
  {{- $_ := set $settings "TOROKU_IDLE_TIMEOUT" ($service.bounds.idleTimeout | int | toString) -}}
{{- end -}}
{{- if $values.telemetry.metrics }}{{ $_ := set $settings "TOROKU_METRICS_LISTEN" "0.0.0.0:9090" }}{{ end -}}
{{- if $values.overlay }}{{ $_ := set $settings "TOROKU_PROFILE_OVERLAY" "/profile/overlay.yaml" }}{{ end -}}
{{- if and $server $service.listeners.internal }}{{ $_ := set $settings "TOROKU_INTERNAL_LISTEN" "0.0.0.0:8443" }}{{ end -}}
{{- if and $server $service.listeners.agency $values.agency.enabled -}}
  {{- $_ := set $settings "TOROKU_AGENCY_LISTEN" "0.0.0.0:8444" -}}
  {{- $_ := set $settings "TOROKU_AGENCY_CLIENTS_CA" (printf "/agency-clients/%s" $values.agencyClients.key) -}}
  {{- $_ := set $settings "TOROKU_CALLERS" "/callers/callers.yaml" -}}
{{- end -}}
{{- if include "toroku.knowsOfficers" . -}}
  {{- $_ := set $settings "TOROKU_OFFICER_CLIENTS_CA" (printf "/officer-clients/%s" $values.officerClients.key) -}}
{{- end -}}
{{- if and $server $service.listeners.public -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_LISTEN" "0.0.0.0:8445" -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_CONNECTIONS" ($service.bounds.public.connections | int | toString) -}}
  {{- if not (include "toroku.sealsDrafts" .) -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_STREAMS_PER_CONNECTION" ($service.bounds.public.streamsPerConnection | int | toString) -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_SILENT_CALLS" ($service.bounds.public.silentCalls | int | toString) -}}
  {{- end -}}
  {{- $_ := set $settings "TOROKU_SOURCE_ADDRESS" $values.public.sourceAddress -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_CONCURRENT_CALLS" ($service.bounds.public.concurrentCalls | int | toString) -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_CERTIFICATE" "/public-certificate/tls.crt" -}}
  {{- $_ := set $settings "TOROKU_PUBLIC_PRIVATE_KEY" "/public-certificate/tls.key" -}}
{{- end -}}
{{- range $callee, $call := $service.calls -}}
  {{- /* The portal's worker calls nobody. */ -}}
  {{- if and (hasKey $.services $callee) (or $server (eq $service.drafts "none")) (ne (toString (get ($call | default dict) "endpoint")) "false") -}}
    {{- /* Behind dns:/// the name resolves to every ready pod, so that calls are distributed over them. */ -}}
    {{- $_ := set $settings (printf "TOROKU_%s_ENDPOINT" (include "toroku.identifier" $callee | upper)) (printf "dns:///%s:8443" (include "toroku.named" (list $root $callee))) -}}
  {{- end -}}
{{- end -}}
{{- if eq $service.bidderProof "private" }}{{ $_ := set $settings "TOROKU_BIDDER_PROOF_KEY" "/bidder-proof/key.pem" }}{{ end -}}
{{- if ne $service.bidderProof "none" }}{{ $_ := set $settings "TOROKU_BIDDER_PROOF_PUBLIC_KEYS" "/bidder-proof-public/keys.pem" }}{{ end -}}
{{- if include "toroku.signsActProofs" . }}{{ $_ := set $settings "TOROKU_ACT_PROOF_KEY" "/act-proof/key.pem" }}{{ end -}}
{{- if include "toroku.verifiesActProofs" . }}{{ $_ := set $settings "TOROKU_ACT_PROOF_PUBLIC_KEYS" "/act-proof-public/keys.pem" }}{{ end -}}
{{- if include "toroku.seals" . }}{{ $_ := set $settings "TOROKU_HISTORY_KEY" "/history/key.pem" }}{{ end -}}
{{- if include "toroku.signsSnapshots" . }}{{ $_ := set $settings "TOROKU_FEED_KEY" "/feed/key.pem" }}{{ end -}}
{{- if include "toroku.signsOfficerProofs" . }}{{ $_ := set $settings "TOROKU_OFFICER_PROOF_KEY" "/officer-proof/key.pem" }}{{ end -}}
{{- if include "toroku.verifiesOfficerProofs" . }}{{ $_ := set $settings "TOROKU_OFFICER_PROOF_PUBLIC_KEYS" "/officer-proof-public/keys.pem" }}{{ end -}}
{{- if include "toroku.handlesMailedSecrets" . }}{{ $_ := set $settings "TOROKU_MAILED_SECRET_KEY" "/mailed-secrets/key.pem" }}{{ end -}}
{{- if include "toroku.sealsDrafts" . -}}
  {{- $_ := set $settings "TOROKU_DRAFT_KEY" "/drafts/key.pem" -}}
  {{- $_ := set $settings "TOROKU_ORIGIN" (printf "https://%s" $service.publicHostname) -}}
{{- end -}}
{{- if $service.mail -}}
  {{- $_ := set $settings "TOROKU_SMTP_HOST" $values.mail.host -}}
  {{- $_ := set $settings "TOROKU_SMTP_PORT" ($values.mail.port | toString) -}}
  {{- $_ := set $settings "TOROKU_SMTP_SECURITY" $values.mail.security -}}
  {{- with $values.mail.user }}{{ $_ := set $settings "TOROKU_SMTP_USER" . }}{{ end -}}
  {{- $_ := set $settings "TOROKU_MAIL_GIVE_UP_AFTER_DAYS" ($values.mail.giveUpAfterDays | toString) -}}
  {{- with $values.mail.sender }}{{ $_ := set $settings "TOROKU_MAIL_SENDER" . }}{{ end -}}
  {{- if or $values.mail.ca.configMapName $values.mail.ca.secretName }}{{ $_ := set $settings "TOROKU_SMTP_CA" (printf "/mail-ca/%s" $values.mail.ca.key) }}{{ end -}}
{{- end -}}
{{- $pooled := include "toroku.usesPooler" . -}}
{{- if $service.database.enabled -}}
  {{- $_ := set $settings "TOROKU_DATABASE_POOL" ($service.database.pool | toString) -}}
  {{- if $pooled }}{{ $_ := set $settings "TOROKU_DATABASE_POOLED" "true" }}{{ end -}}
{{- end -}}
{{- range $key, $value := $service.environment }}{{ $_ := set $settings $key $value }}{{ end -}}
{{- range $key, $value := $settings }}
- name: {{ $key }}
  value: {{ $value | quote }}
{{- end }}
{{- if $service.database.enabled }}
{{- include "toroku.databaseEnvironment" (dict "root" $root "name" .name "service" $service "pooled" $pooled) }}
{{- end }}
{{- if and $service.mail $values.mail.password.secretName }}
- name: TOROKU_SMTP_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $values.mail.password.secretName }}, key: {{ $values.mail.password.key }}}
{{- end }}
{{- with $service.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The settings of `migrate` and `migrate-after`: dict root name service */}}
{{- define "toroku.migrationEnvironment" -}}
- name: TOROKU_LOG_FORMAT
  value: {{ .root.Values.telemetry.logFormat }}
{{- range $key, $value := .root.Values.migrations.environment }}
- name: {{ $key }}
  value: {{ $value | quote }}
{{- end }}
{{- include "toroku.databaseEnvironment" (dict "root" .root "name" .name "service" .service "pooled" "") }}
{{- end -}}
