import type { Config } from '../config/settings.ts';
import type { Logger } from '../log.ts';
import type { Tracing } from './open-telemetry.ts';

/** The optional peer dependencies, in the versions that package.json requires. */
const packages = [
  '@opentelemetry/sdk-trace-node@^2.12.1',
  '@opentelemetry/exporter-trace-otlp-http@^0.223.1',
  '@opentelemetry/resources@^2.12.1',
];

/**
 * Turns tracing on if the standard variables of OpenTelemetry ask for it, and loads its packages only then. Without
 * these packages, or with incompatible versions, it logs what to install, and tracing stays off.
 * @returns undefined if tracing is off
 */
export async function openTracing(config: Config, log: Logger): Promise<Tracing | undefined> {
  if (!isTracingOn(config)) return undefined;
  warnOfProtocol(config, log);
  try {
    const { startOpenTelemetry } = await import('./open-telemetry.ts');
    return startOpenTelemetry(config, log);
  } catch (error) {
    if (!isMissingPackage(error)) throw error;
    log.warn(
      `Traces are off, since packages are missing or have other versions. Install these next to group-api: npm install ${packages.join(' ')}`,
    );
    return undefined;
  }
}

/** @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
function isTracingOn({
  OTEL_SDK_DISABLED: isDisabled,
  OTEL_TRACES_EXPORTER: exporter,
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: tracesEndpoint,
}: Config): boolean {
  if (isDisabled || exporter === 'none') return false;
  return (exporter ?? endpoint ?? tracesEndpoint) !== undefined;
}

function warnOfProtocol(config: Config, log: Logger): void {
  if (config.OTEL_TRACES_EXPORTER === 'console') return;
  const names = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'] as const;
  const name = names.find((one) => config[one] !== undefined);
  if (name === undefined || ['http/json', 'http/protobuf'].includes(config[name]!)) return;
  log.warn(
    `${name}=${config[name]} is not supported: traces are sent as JSON by HTTP. The URL must be that of the collector's HTTP port, usually 4318`,
  );
}

/** Whether an import has failed since a package is not installed, or lacks an export, which is a SyntaxError. */
function isMissingPackage(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  const isFromImport = code === 'ERR_MODULE_NOT_FOUND' || error instanceof SyntaxError;
  return isFromImport && message.includes('@opentelemetry/');
}
