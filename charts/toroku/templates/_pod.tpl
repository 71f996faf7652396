{{/* The requirements of Pod Security `restricted`. 10001 is the user and group of the images. */}}
{{- define "toroku.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "toroku.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The part of a pod's spec before its containers, the same for every pod: dict root service account */}}
{{- define "toroku.podBase" -}}
serviceAccountName: {{ .account }}
# No process here calls the Kubernetes API.
automountServiceAccountToken: false
# Otherwise every Service of the namespace becomes environment variables, some of which begin with TOROKU_.
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "toroku.podSecurity" . | nindent 2 }}
{{- with .service.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .service.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .service.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A container that runs a migration: dict root name service command */}}
{{- define "toroku.migrationContainer" -}}
- name: {{ .command }}
  image: {{ include "toroku.image" (dict "root" .root "image" .service.image "name" .name) }}
  imagePullPolicy: {{ .root.Values.images.pullPolicy }}
  args: [{{ .command }}]
  env:
    {{- include "toroku.migrationEnvironment" . | nindent 4 }}
  securityContext:
    {{- include "toroku.containerSecurity" . | nindent 4 }}
  resources:
    {{- toYaml .root.Values.migrations.resources | nindent 4 }}
  volumeMounts:
    - {name: temporary, mountPath: /tmp}
    {{- include "toroku.databaseMount" (dict "root" .root "name" .name "service" .service "pooled" "") | nindent 4 }}
{{- end -}}

{{/* The pod of a server or a worker: dict root services name service role */}}
{{- define "toroku.pod" -}}
{{- $root := .root }}{{ $service := .service }}{{ $server := eq .role "server" -}}
{{- $role := get $service .role -}}
{{- /* Time for load balancers to stop sending before the listeners close. Calls between services need none: a server that
stops announces it on every connection, and calls that arrive too late are retried on another pod. */ -}}
{{- $delay := ternary 5 0 (and $server (or $service.listeners.public (and $service.listeners.agency $root.Values.agency.enabled))) -}}
{{ include "toroku.podBase" (dict "root" $root "service" $service "account" (include "toroku.named" (list $root .name))) }}
terminationGracePeriodSeconds: {{ add (int $service.stopGrace) $delay 15 }}
topologySpreadConstraints:
  {{- range $key, $when := dict "topology.kubernetes.io/zone" $service.topologySpread.zones "kubernetes.io/hostname" $service.topologySpread.nodes }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $when }}
    labelSelector:
      matchLabels:
        {{- include "toroku.selector" (list $root $.name $.role) | nindent 8 }}
    # Only pods of the same version count; otherwise a roll-out ends unevenly spread.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- if include "toroku.keepsDatabase" $service }}
initContainers:
  {{- include "toroku.migrationContainer" (dict "root" $root "name" .name "service" $service "command" "migrate") | nindent 2 }}
{{- end }}
containers:
  - name: {{ .role }}
    image: {{ include "toroku.image" (dict "root" $root "image" $service.image "name" .name) }}
    imagePullPolicy: {{ $root.Values.images.pullPolicy }}
    args: [{{ ternary $service.command "worker" $server }}]
    env:
      {{- include "toroku.environment" . | nindent 6 }}
    ports:
      {{- if and $server $service.listeners.internal }}
      - {name: internal, containerPort: 8443}
      {{- end }}
      {{- if and $server $service.listeners.agency $root.Values.agency.enabled }}
      - {name: agency, containerPort: 8444}
      {{- end }}
      {{- if and $server $service.listeners.public }}
      - {name: public, containerPort: 8445}
      {{- end }}
      - {name: health, containerPort: 8081}
      {{- if $root.Values.telemetry.metrics }}
      - {name: metrics, containerPort: 9090}
      {{- end }}
    # `live` depends on the process only, not on its database, which a restart would not repair.
    startupProbe:
      grpc: {port: 8081, service: live}
      periodSeconds: 2
      timeoutSeconds: 3
      failureThreshold: 60
    livenessProbe:
      grpc: {port: 8081, service: live}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    # Depends on its own database and schema, never on its peers: one failed service must not make all others unready.
    readinessProbe:
      grpc: {port: 8081}
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 3
    {{- if $delay }}
    lifecycle:
      preStop:
        {{- if semverCompare ">=1.30-0" $root.Capabilities.KubeVersion.Version }}
        sleep: {seconds: {{ $delay }}}
        {{- else }}
        # Kubernetes before 1.30 has no sleep action, and the images have no shell.
        exec: {command: [python, -c, "import time; time.sleep({{ $delay }})"]}
        {{- end }}
    {{- end }}
    securityContext:
      {{- include "toroku.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml $role.resources | nindent 6 }}
    volumeMounts:
      {{- include "toroku.mounts" . | nindent 6 }}
volumes:
  {{- include "toroku.volumes" . | nindent 2 }}
{{- end -}}
