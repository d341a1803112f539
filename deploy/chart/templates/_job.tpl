{{/* The pod of a job that works on the ledger alone: no credential of Zoom or the directory. dict root, component, name,
     code (Python), resources, claim (where it writes, if elsewhere). */}}
{{- define "syncd.ledgerJobPod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "syncd.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  serviceAccountName: {{ include "syncd.serviceAccountName" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- include "syncd.placement" $root | nindent 2 }}
  securityContext:
    {{- include "syncd.podSecurity" $root | nindent 4 }}
  {{- if and (include "syncd.stateful" $root) (not (include "syncd.shared" $root)) }}
  # The volume is mounted on one node at a time: beside the daemon.
  affinity:
    {{- include "syncd.besideDaemon" $root | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "syncd.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      # The image has no shell, and a manifest cannot name dates; Python can.
      command: [/opt/syncd/bin/python, -I, -c]
      args:
        - |
          {{- .code | nindent 10 }}
      env:
        - {name: SYNCD_CONFIG, value: /etc/syncd/syncd.yaml}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        {{- include "syncd.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/syncd, readOnly: true}
        {{- if $root.Values.persistence.enabled }}
        - {name: state, mountPath: /var/lib/syncd}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
        {{- if .claim }}
        - {name: target, mountPath: /backup}
        {{- end }}
        {{- if $root.Values.postgresql.enabled }}
        - {name: ledger, mountPath: /run/secrets/syncd, readOnly: true}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "syncd.configMapName" $root }}
    {{- if $root.Values.persistence.enabled }}
    - name: state
      persistentVolumeClaim:
        claimName: {{ include "syncd.claimName" $root }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ $root.Values.tmpSize }}
    {{- if .claim }}
    - name: target
      persistentVolumeClaim:
        claimName: {{ .claim }}
    {{- end }}
    {{- if $root.Values.postgresql.enabled }}
    - name: ledger
      secret:
        secretName: {{ $root.Values.existingSecret }}
        defaultMode: 0440
        optional: true         # a certificate that is not there is not needed; without the address the job says so
        items:
          {{- range prepend $root.Values.postgresql.certificateKeys $root.Values.postgresql.urlKey }}
          - {key: {{ . }}, path: {{ . }}}
          {{- end }}
    {{- end }}
{{- end -}}
