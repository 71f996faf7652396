{{/*
Checks that the schema cannot express: values that contradict each other, or that others require. Each mistake is a
sentence that ends with what to do; all mistakes are reported at once.
*/}}
{{- define "toroku.checks" -}}
{{- $values := .Values }}{{ $root := . }}{{ $mistakes := list -}}
{{- $services := include "toroku.services" . | fromYaml -}}

{{- if not $values.profile -}}
  {{- $mistakes = append $mistakes "profile is empty: add --set-file profile=profiles/<prefecture>.yaml" -}}
{{- end -}}
{{- range $file := list "profile" "overlay" -}}
  {{- with get $values $file -}}
    {{- $read := fromYaml . -}}
    {{- if hasKey $read "Error" -}}
      {{- $mistakes = append $mistakes (printf "%s is no YAML (%s): check it with python -m instance_profile check" $file (get $read "Error")) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $values.profile -}}
  {{- if not (regexMatch "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" (include "toroku.instance" .)) -}}
    {{- $mistakes = append $mistakes (printf "the profile's id %q is not usable: it becomes part of every certificate's name, so it must be lower-case letters, digits and hyphens" (include "toroku.instance" .)) -}}
  {{- end -}}
{{- end -}}

{{- $databases := dict -}}
{{- $public := false }}{{ $agency := false }}{{ $officers := false }}{{ $mail := false }}{{ $keepsDatabase := false -}}
{{- range $name, $service := $services -}}
  {{- if $service.listeners.public }}{{ $public = true }}{{ end -}}
  {{- if and $service.listeners.agency $values.agency.enabled }}{{ $agency = true }}{{ end -}}
  {{- if ne $service.officerProof "none" }}{{ $officers = true }}{{ end -}}
  {{- if $service.mail }}{{ $mail = true }}{{ end -}}
  {{- if $service.database.enabled }}{{ $keepsDatabase = true }}{{ end -}}
  {{- range $callee, $_ := $service.calls -}}
    {{- if not (hasKey $values.services $callee) -}}
      {{- $mistakes = append $mistakes (printf "services.%s.calls names %s, which is no service: correct the name" $name $callee) -}}
    {{- else if hasKey $services $callee -}}
      {{- if not (get $services $callee).listeners.internal -}}
        {{- $mistakes = append $mistakes (printf "services.%s.calls names %s, which has no internal listener: set services.%s.listeners.internal or take the call out" $name $callee $callee) -}}
      {{- end -}}
    {{- else if ne (toString (get (get $service.calls $callee | default dict) "endpoint")) "false" -}}
      {{- $mistakes = append $mistakes (printf "services.%s calls %s, which is not enabled: enable it, or disable %s too" $name $callee $name) -}}
    {{- end -}}
  {{- end -}}
  {{- if not (or $service.certificate.secretName $values.certificates.issuer.name) -}}
    {{- $mistakes = append $mistakes (printf "%s has no certificate: set certificates.issuer.name, or services.%s.certificate.secretName" $name $name) -}}
  {{- end -}}
  {{- if $service.listeners.public -}}
    {{- if not (or $service.publicHostname $values.public.hostname) -}}
      {{- $mistakes = append $mistakes "public.hostname is empty: set the name that contractors' PCs call" -}}
    {{- end -}}
    {{- if not (or $service.certificate.publicSecretName $values.certificates.public.secretName $values.certificates.public.issuer.name) -}}
      {{- $mistakes = append $mistakes (printf "%s has no public certificate: set certificates.public.secretName or certificates.public.issuer.name" $name) -}}
    {{- end -}}
  {{- end -}}
  {{- if $service.of -}}
    {{- $owner := get $services $service.of | default dict -}}
    {{- if or (not $owner) $owner.of -}}
      {{- $mistakes = append $mistakes (printf "services.%s.of names %s, which is no enabled service of its own: enable %s, or disable %s too" $name $service.of $service.of $name) -}}
    {{- else if and $service.database.enabled (not $owner.database.enabled) -}}
      {{- $mistakes = append $mistakes (printf "services.%s uses the database of %s, which has none: set services.%s.database.enabled" $name $service.of $service.of) -}}
    {{- end -}}
  {{- end -}}
  {{- if and $service.database.enabled (eq $values.database.mode "external") (not $service.database.direct) -}}
    {{- $mistakes = append $mistakes (printf "services.%s.database.direct is empty: give its address and name the Secret with its password, or set database.mode to cloudnative-pg" $name) -}}
  {{- end -}}
  {{- if and (include "toroku.keepsDatabase" $service) (eq $values.database.mode "external") $service.database.direct -}}
    {{- $where := $service.database.direct.address -}}
    {{- with get $databases $where -}}
      {{- $mistakes = append $mistakes (printf "services.%s.database.direct is also that of %s: give every service a database of its own" $name .) -}}
    {{- end -}}
    {{- $_ := set $databases $where $name -}}
  {{- end -}}
  {{- range $kind := list "direct" "pooled" -}}
    {{- if regexMatch "^[a-z]+://[^@/]*:[^@/]*@|[?&]password=" (dig "address" "" (get $service.database $kind)) -}}
      {{- $mistakes = append $mistakes (printf "services.%s.database.%s.address holds a password, and values can be read by whoever may read the release: take it out and name its Secret under password" $name $kind) -}}
    {{- end -}}
  {{- end -}}
  {{- if and (ne $service.bidderProof "none") (not (or $values.certificates.bidderProof.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key for bidder proofs: set certificates.bidderProof.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.history "none") (not (or $values.certificates.history.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key that seals histories: set certificates.history.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.feed "none") (not (or $values.certificates.feed.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key that signs snapshots of the feeds: set certificates.feed.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.officerProof "none") (not (or $values.certificates.officerProof.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key for officer proofs: set certificates.officerProof.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.actProof "none") (not (or $values.certificates.actProof.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key for act proofs: set certificates.actProof.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.drafts "none") (not (or $values.certificates.drafts.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key of the portal's drafts: set certificates.drafts.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.drafts "none") (or (not $service.publicHostname) (eq $service.publicHostname $values.public.hostname)) -}}
    {{- $mistakes = append $mistakes (printf "services.%s.publicHostname is empty, or that of the front door: give the pages a host name of their own" $name) -}}
  {{- end -}}
  {{- if and (ne $service.mailedSecrets "none") (not (or $values.certificates.mailedSecrets.secretName $values.certificates.issuer.name)) -}}
    {{- $mistakes = append $mistakes "there is no key of mailed secrets: set certificates.mailedSecrets.secretName or certificates.issuer.name" -}}
  {{- end -}}
  {{- if and (ne $service.history "none") (not $service.worker.enabled) -}}
    {{- $mistakes = append $mistakes (printf "services.%s.history is private, but without a worker nobody seals it: set services.%s.worker.enabled" $name $name) -}}
  {{- end -}}
  {{- $scaling := $service.server.autoscaling -}}
  {{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
    {{- $mistakes = append $mistakes (printf "services.%s.server.autoscaling: minReplicas %d is more than maxReplicas %d: raise maxReplicas" $name (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
  {{- end -}}
  {{- range $role := list "server" "worker" -}}
    {{- range (get $service $role).destinations -}}
      {{- if not (hasKey $values.networkPolicy.destinations .) -}}
        {{- $mistakes = append $mistakes (printf "services.%s.%s.destinations names %s, which is not under networkPolicy.destinations: add it there" $name $role .) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{- if and $public (eq $values.public.sourceAddress "direct") -}}
  {{- if or $values.public.gateway.enabled $values.public.ingress.enabled (eq $values.public.service.type "ClusterIP") (ne $values.public.service.externalTrafficPolicy "Local") -}}
    {{- $mistakes = append $mistakes "public.sourceAddress is direct, but callers have another address here, and one would be refused for all: set public.service.type to LoadBalancer or NodePort and public.service.externalTrafficPolicy to Local, without gateway and ingress, or public.sourceAddress to none" -}}
  {{- end -}}
{{- end -}}
{{- if and $agency (not (or $values.agencyClients.certificates $values.agencyClients.configMapName $values.agencyClients.secretName)) -}}
  {{- $mistakes = append $mistakes "agency listeners have no CA to trust: add --set-file agencyClients.certificates=<bundle.pem>, name agencyClients.secretName or configMapName, or set agency.enabled to false" -}}
{{- end -}}
{{- if and $agency $officers (not (include "toroku.officerClientsGiven" $root)) -}}
  {{- $mistakes = append $mistakes "there is no CA of officers to trust: add --set-file officerClients.certificates=<bundle.pem>, name officerClients.secretName or configMapName, or set agency.enabled to false" -}}
{{- end -}}
{{- if and $mail (not $values.mail.host) -}}
  {{- $mistakes = append $mistakes "mail.host is empty: set the mail server that takes the mails" -}}
{{- end -}}
{{- $ca := $values.database.tls.ca -}}
{{- if and $keepsDatabase (eq $values.database.mode "external") -}}
  {{- if and (hasPrefix "verify-" $values.database.tls.mode) (not (or $ca.configMapName $ca.secretName)) -}}
    {{- $mistakes = append $mistakes (printf "database.tls.mode %s needs the CA of the databases: set database.tls.ca.secretName or configMapName, or another mode" $values.database.tls.mode) -}}
  {{- end -}}
  {{- if and $values.networkPolicy.enabled (not $values.networkPolicy.destinations.database.to) -}}
    {{- $mistakes = append $mistakes "networkPolicy.destinations.database.to is empty, so no service would reach its database: say where the databases are" -}}
  {{- end -}}
{{- end -}}
{{- range $listener := list "public" "agency" -}}
  {{- $way := get $values $listener -}}
  {{- if and $way.gateway.enabled (not $way.gateway.parentRefs) -}}
    {{- $mistakes = append $mistakes (printf "%s.gateway.parentRefs is empty: name the Gateway that passes TLS through" $listener) -}}
  {{- end -}}
{{- end -}}
{{- if and (eq $values.check.trust "configMap") (not $values.check.configMapName) -}}
  {{- $mistakes = append $mistakes "check.trust is configMap: name it in check.configMapName" -}}
{{- end -}}
{{- if and (eq $values.check.trust "secret") (not $values.check.secretName) -}}
  {{- $mistakes = append $mistakes "check.trust is secret: name it in check.secretName" -}}
{{- end -}}
{{- if and $values.check.agency.code (not $values.check.agency.secretName) -}}
  {{- $mistakes = append $mistakes "check.agency.code needs that agency's certificate: name its Secret in check.agency.secretName" -}}
{{- end -}}
{{- if $mistakes -}}
  {{- fail (printf "\n\nThe values do not fit together:\n  - %s\n" (join "\n  - " ($mistakes | uniq))) -}}
{{- end -}}
{{- end -}}
