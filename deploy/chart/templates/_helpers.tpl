{{- define "syncd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of everything: several releases in one namespace keep apart by it. A CronJob's may have 52 letters, with -evidence. */}}
{{- define "syncd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 43 | trimSuffix "-" -}}
{{- else if contains (include "syncd.name" .) .Release.Name -}}
{{- .Release.Name | trunc 43 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "syncd.name" .) | trunc 43 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of one component of this release. */}}
{{- define "syncd.selector" -}}
app.kubernetes.io/name: {{ include "syncd.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "syncd.labels" -}}
app.kubernetes.io/name: {{ include "syncd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: syncd
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "syncd.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.variant }}{{ $tag = printf "%s-%s" $tag .Values.image.variant }}{{ end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "syncd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "syncd.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "syncd.configMapName" -}}
{{ default (printf "%s-config" (include "syncd.fullname" .)) .Values.existingConfigMap }}
{{- end -}}

{{- define "syncd.claimName" -}}
{{ default (printf "%s-state" (include "syncd.fullname" .)) .Values.persistence.existingClaim }}
{{- end -}}

{{/* Two with a leader by Lease, one without, unless said otherwise. */}}
{{- define "syncd.replicas" -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{ ternary 2 1 .Values.leadership.enabled }}
{{- else -}}
{{ .Values.replicas }}
{{- end -}}
{{- end -}}

{{/* Whether the volume is mounted on several nodes at a time. */}}
{{- define "syncd.shared" -}}
{{- if has "ReadWriteMany" .Values.persistence.accessModes }}true{{ end -}}
{{- end -}}

{{/* Whether the daemon's own pod mounts the volume: where the ledger lies in PostgreSQL only if its replicas can share it. */}}
{{- define "syncd.stateful" -}}
{{- if and .Values.persistence.enabled (or (not .Values.postgresql.enabled) (include "syncd.shared" .)) }}true{{ end -}}
{{- end -}}

{{/* Where a pod may run: the daemon's and every job's. */}}
{{- define "syncd.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "syncd.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "syncd.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "syncd.env" -}}
- {name: SYNCD_CONFIG, value: /etc/syncd/syncd.yaml}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "syncd.mounts" -}}
- {name: config, mountPath: /etc/syncd, readOnly: true}
- {name: secrets, mountPath: /run/secrets/syncd, readOnly: true}
{{- if include "syncd.stateful" . }}
- {name: state, mountPath: /var/lib/syncd}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- if .Values.workloadIdentity.enabled }}
- {name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens, readOnly: true}
{{- end }}
{{- if and .Values.maintenance .Values.backup.existingClaim }}
- {name: target, mountPath: /backup}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "syncd.volumes" -}}
- name: config
  configMap:
    name: {{ include "syncd.configMapName" . }}
- name: secrets
  secret:
    secretName: {{ .Values.existingSecret }}
    defaultMode: 0440
{{- if include "syncd.stateful" . }}
- name: state
  persistentVolumeClaim:
    claimName: {{ include "syncd.claimName" . }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSize }}
{{- if .Values.workloadIdentity.enabled }}
- name: azure-identity-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: azure-identity-token
          audience: {{ .Values.workloadIdentity.audience }}
          expirationSeconds: 3600
{{- end }}
{{- if and .Values.maintenance .Values.backup.existingClaim }}
- name: target
  persistentVolumeClaim:
    claimName: {{ .Values.backup.existingClaim }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Everywhere but the cloud's metadata service, or the networks given. */}}
{{- define "syncd.to" -}}
{{- if . }}
{{- range . }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- else }}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [169.254.0.0/16]
- ipBlock:
    cidr: ::/0
    except: ["fe80::/10", "fd00:ec2::/32"]
{{- end }}
{{- end -}}

{{/* A job's pod beside the daemon: the volume is mounted on one node at a time. */}}
{{- define "syncd.besideDaemon" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "syncd.selector" (dict "root" . "component" "daemon") | nindent 10 }}
{{- end -}}

{{/* The configuration, with what the chart itself decides filled in where nothing is said. */}}
{{- define "syncd.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if not (dig "http" "listen" "" $config) }}{{ $config = mergeOverwrite $config (dict "http" (dict "listen" "[::]:9464")) }}{{ end -}}
{{- if .Values.leadership.enabled -}}
{{- $config = merge $config (dict "leadership" (dict "lease" (dict "namespace" .Release.Namespace "name" (include "syncd.fullname" .)))) -}}
{{- end -}}
{{- $ledger := default dict $config.ledger -}}
{{- if and .Values.postgresql.enabled (not (or $ledger.url $ledger.url_file $ledger.url_env)) -}}
{{- $config = merge $config (dict "ledger" (dict "url_file" (printf "/run/secrets/syncd/%s" .Values.postgresql.urlKey))) -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}
