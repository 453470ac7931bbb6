{{/* The prefix of all names: the release, cut so that the suffixes fit into the 63 characters of a label. */}}
{{- define "group-api.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* What selects the pods of the servers; it must never change, since a Deployment cannot change its selector. */}}
{{- define "group-api.selector" -}}
app.kubernetes.io/name: group-api
app.kubernetes.io/instance: {{ include "group-api.name" . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "group-api.labels" -}}
app.kubernetes.io/name: group-api
app.kubernetes.io/instance: {{ include "group-api.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "group-api.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What pods of the servers and of the migration have in common. 1000 is the user `node` of the image. */}}
{{- define "group-api.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "group-api.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
